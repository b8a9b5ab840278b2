// Goal: until the store is there callers are told so, and nobody has to do anything for it to come.
#include "cmd/microservice/late_product_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
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
  EXPECT_EQ(mock::wait(late.writer_number()).error(), expected);
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
  EXPECT_TRUE(mock::wait(there.writer_number()));
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

// Stores that answer, or do not, as the test says; counts the ones that live.
class Fickle : public mock::MemoryStore {
 public:
  struct World {
    bool answers = true;
    int open = 0, probes = 0;
  };
  explicit Fickle(World& world) : world_(world) { ++world_.open; }
  ~Fickle() override { --world_.open; }
  Task<Result<Product>> find(ProductId id) override { return find_in(world_, id); }

 private:
  static Task<Result<Product>> find_in(World& world, ProductId id) {
    ++world.probes;
    if (!world.answers) co_return fail(ErrorCode::kUnavailable, "no answer");
    co_return Product{id, "t", {}, {}, {}, {}, {}};
  }

  World& world_;
};

class Watching : public ::testing::Test {
 protected:
  static Task<Opened> open(Watching& self) {
    ++self.attempts_;
    if (self.refuses_ > 0) {
      --self.refuses_;
      co_return std::unexpected(kRefused);
    }
    if (self.attempts_ > 1) self.world_.answers = self.heals_;
    co_return std::make_unique<Fickle>(self.world_);
  }
  static Task<void> run(Watching& self) {
    co_await self.late_.connect();
    co_await self.late_.watch([&self] { ++self.reopened_; });
  }

  void start() { boost::asio::co_spawn(context_, run(*this), boost::asio::detached); }
  void run_until(const std::function<bool()>& done) {
    while (!done()) ASSERT_GT(context_.run_one_for(std::chrono::seconds(20)), 0U);
  }

  Fickle::World world_;
  boost::asio::io_context context_;
  int attempts_ = 0, refuses_ = 0, reopened_ = 0;
  bool heals_ = true;
  std::vector<std::string> reports_;
  LateProductService late_{[this] { return open(*this); },
                           [this](const Error& error) { reports_.push_back(error.describe()); },
                           {milliseconds(1), milliseconds(2), milliseconds(1)}};
};

TEST_F(Watching, AStoreThatAnswersIsAskedAndLeftAlone) {
  start();
  run_until([this] { return world_.probes == 10; });
  EXPECT_EQ(attempts_, 1);
  EXPECT_EQ(world_.open, 1);
}

TEST_F(Watching, AStoreThatAnswersOthersIsNotAskedAsWell) {
  start();
  run_until([this] { return late_.connected(); });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(mock::wait(late_.find(7)));
    const int before = world_.probes;
    ASSERT_GT(context_.run_one_for(std::chrono::seconds(20)), 0U);  // a look
    EXPECT_EQ(world_.probes, before);
  }
}

TEST_F(Watching, AStoreThatDoesNotAnswerIsOpenedAnewAndTheOldOneClosed) {
  start();
  run_until([this] { return late_.connected(); });
  world_.answers = false;
  refuses_ = 3;
  EXPECT_EQ(mock::wait(late_.find(1)).error().code, ErrorCode::kUnavailable);
  run_until([this] { return reopened_ == 1; });
  EXPECT_EQ(attempts_, 5);
  EXPECT_THAT(reports_, ElementsAre("refused (111)"));
  EXPECT_TRUE(mock::wait(late_.find(1)));
  EXPECT_EQ(world_.open, 1);
  const int probes = world_.probes;
  run_until([&] { return world_.probes == probes + 5; });
  EXPECT_EQ(attempts_, 5) << "it answers, and is left alone";
}

TEST_F(Watching, OneThatDoesNotAnswerAfterThatEitherIsTriedForAsLongAsItTakes) {
  start();
  run_until([this] { return late_.connected(); });
  world_.answers = heals_ = false;
  run_until([this] { return reopened_ == 4; });
  EXPECT_EQ(world_.open, 1);
  heals_ = true;
  run_until([this] { return reopened_ == 5; });
  EXPECT_TRUE(mock::wait(late_.find(1)));
}

TEST_F(Watching, WhatWasBegunGoesOnWithTheStoreItBeganWith) {
  start();
  run_until([this] { return late_.connected(); });
  auto begun = late_.find(1);  // a task, not started yet
  world_.answers = false;
  run_until([this] { return reopened_ == 1; });
  EXPECT_EQ(world_.open, 2);
  EXPECT_TRUE(mock::wait(std::move(begun)));
  EXPECT_EQ(world_.open, 1);
}

TEST_F(Watching, StopEndsIt) {
  start();
  run_until([this] { return world_.probes == 1; });
  late_.stop();
  context_.run();  // returns: nothing is waited for any more
  EXPECT_FALSE(late_.attempting());
}

}  // namespace
}  // namespace dataflow::cmd
