// Goal: until the store is there callers are told so, and nobody has to do anything for it to come.
#include "cmd/microservice/late_product_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <vector>

#include "dataflow/mock/memory_store.h"
#include "dataflow/mock/wait.h"

namespace dataflow::cmd {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

using Opened = Result<std::unique_ptr<ProductService>>;

// Fails with each of the errors, then opens.
struct Opener {
  std::vector<Error> errors;
  std::size_t attempts = 0;

  Task<Opened> open() {
    if (attempts < errors.size()) co_return std::unexpected(errors[attempts++]);
    ++attempts;
    co_return std::make_unique<mock::MemoryStore>();
  }
};

const Error kRefused{ErrorCode::kUnavailable, "refused", "111"};
const Error kNoTable{ErrorCode::kInvalid, "no table", ""};

TEST(LateProductService, TriesUntilTheStoreIsThere) {
  Opener opener{{kRefused, kRefused, kNoTable, kRefused}};
  std::vector<std::string> reports;
  LateProductService late([&] { return opener.open(); },
                          [&](const Error& error) { reports.push_back(error.describe()); },
                          {milliseconds(1), milliseconds(2)});
  const auto before = mock::wait(late.find(1));
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(late.connected());
  boost::asio::io_context context;
  boost::asio::co_spawn(context, late.connect(), boost::asio::detached);
  context.run();
  EXPECT_TRUE(late.connected());
  EXPECT_FALSE(late.attempting());
  EXPECT_EQ(opener.attempts, 5U);
  EXPECT_THAT(reports, ElementsAre("refused (111)", "no table", "refused (111)"));
  EXPECT_EQ(mock::wait(late.find(1)).error().code, ErrorCode::kNotFound);
}

TEST(LateProductService, EveryMethodTellsWhyUntilThenAndIsTheStoresAfterwards) {
  Opener opener{{kRefused}};
  boost::asio::io_context context;
  LateProductService late([&] { return opener.open(); }, [&](const Error&) { late.stop(); }, {});
  boost::asio::co_spawn(context, late.connect(), boost::asio::detached);
  context.run();
  const std::vector<ProductId> ids = {1};
  const std::vector<ProductView> rows = {{1, "t", {}, {}, {}, {}, {}}};
  bool stored[1] = {false};
  const Error expected{ErrorCode::kUnavailable, "the store is not connected yet", "refused (111)"};
  EXPECT_EQ(mock::wait(late.find(1)).error(), expected);
  EXPECT_EQ(mock::wait(late.find_many(ids)).error(), expected);
  EXPECT_EQ(mock::wait(late.save_many(rows, 1, stored)).error(), expected);
  EXPECT_EQ(mock::wait(late.incarnation()).error(), expected);
  EXPECT_EQ(mock::wait(late.disown_caches()).error(), expected);
  EXPECT_EQ(mock::wait(late.flush()).error(), expected);

  LateProductService there([&] { return opener.open(); }, [](const Error&) {});
  mock::wait(there.connect());
  EXPECT_TRUE(mock::wait(there.save_many(rows, 1, stored)));
  EXPECT_TRUE(stored[0]);
  EXPECT_EQ(mock::wait(there.find(1)).value_or(Product{}).title, "t");
  const auto many = mock::wait(there.find_many(ids));
  ASSERT_TRUE(many);
  EXPECT_TRUE(many->at(0));
  EXPECT_TRUE(mock::wait(there.incarnation()));
  EXPECT_TRUE(mock::wait(there.disown_caches()));
  EXPECT_TRUE(mock::wait(there.flush()));
}

TEST(LateProductService, StopEndsTheWaitBetweenTwoAttempts) {
  Opener opener{std::vector<Error>(1'000, kRefused)};
  boost::asio::io_context context;
  LateProductService late(
      [&] { return opener.open(); },
      [&](const Error&) { boost::asio::post(context, [&late] { late.stop(); }); },
      {std::chrono::hours(1), std::chrono::hours(1)});
  boost::asio::co_spawn(context, late.connect(), boost::asio::detached);
  context.run();
  EXPECT_EQ(opener.attempts, 1U);
  EXPECT_FALSE(late.connected());
}

}  // namespace
}  // namespace dataflow::cmd
