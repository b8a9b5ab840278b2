// Goal: products asked for together are one request, each gets its own answer whatever happens to
// the others, and one asked for alone does not wait.
#include "dataflow/cassandra/gathered_finds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>

#include "dataflow/cassandra/schema.h"
#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class GatheredFindsTest : public ::testing::Test {
 protected:
  GatheredFindsTest() {
    const auto answer = [](std::vector<std::vector<ProductId>>& calls, const auto& error) {
      return [&calls, &error](std::span<const ProductId> ids) -> Result<Rows> {
        calls.emplace_back(ids.begin(), ids.end());
        if (error) return std::unexpected(*error);
        return rows_for(ids);
      };
    };
    connection_.on_select = answer(alone_, alone_error_);
    connection_.on_select_together = answer(together_, together_error_);
  }

  // Products with odd ids are there.
  static Rows rows_for(std::span<const ProductId> ids) {
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> lengths;
    for (const ProductId id : ids) {
      const std::string title = "title " + std::to_string(id);
      if (id % 2 == 0) {
        lengths.insert(lengths.end(), kColumns - 1, -2);
        continue;
      }
      bytes.insert(bytes.end(), title.begin(), title.end());
      lengths.push_back(static_cast<std::int32_t>(title.size()));
      lengths.insert(lengths.end(), kColumns - 2, -1);
    }
    struct Owner {
      std::vector<std::uint8_t> bytes;
      std::vector<std::int32_t> lengths;
    };
    auto owner = std::make_shared<Owner>(std::move(bytes), std::move(lengths));
    const Owner& kept = *owner;
    return {std::move(owner), kept.bytes, kept.lengths, kColumns - 1};
  }

  // All at the same moment, on one executor.
  std::vector<Result<Product>> find_all(const std::vector<ProductId>& ids) {
    boost::asio::io_context io;
    std::vector<std::future<Result<Product>>> asked;
    for (const ProductId id : ids) {
      asked.push_back(boost::asio::co_spawn(io, finds_.find(id), boost::asio::use_future));
    }
    io.run();
    std::vector<Result<Product>> found;
    for (auto& one : asked) found.push_back(one.get());
    return found;
  }

  void expect_right(const std::vector<ProductId>& ids) {
    const auto found = find_all(ids);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] % 2 == 0) {
        EXPECT_EQ(found[i].error().code, ErrorCode::kNotFound);
      } else {
        EXPECT_EQ(found[i].value().id, ids[i]);
        EXPECT_EQ(found[i].value().title, "title " + std::to_string(ids[i]));
      }
    }
  }

  std::vector<std::vector<ProductId>> alone_, together_;
  std::optional<Error> alone_error_, together_error_;
  FakeConnection connection_;
  GatheredFinds finds_{connection_};
};

TEST_F(GatheredFindsTest, OneAloneIsAReadOfItsOwn) {
  expect_right({7});
  EXPECT_THAT(alone_, ElementsAre(ElementsAre(7)));
  EXPECT_THAT(together_, IsEmpty());
}

TEST_F(GatheredFindsTest, ThoseOfTheSameMomentAreOneRequest) {
  expect_right({3, 1, 2, 5});
  expect_right({9, 9});
  EXPECT_THAT(together_, ElementsAre(ElementsAre(3, 1, 2, 5), ElementsAre(9, 9)));
  EXPECT_THAT(alone_, IsEmpty());
}

TEST_F(GatheredFindsTest, ManyAreSeveralRequestsOfBoundedSize) {
  std::vector<ProductId> ids(2 * GatheredFinds::kMostTogether + 1);
  std::iota(ids.begin(), ids.end(), 1);
  expect_right(ids);
  EXPECT_THAT(together_, ElementsAre(SizeIs(GatheredFinds::kMostTogether),
                                     SizeIs(GatheredFinds::kMostTogether)));
  EXPECT_THAT(alone_, ElementsAre(ElementsAre(ids.back())));
}

TEST_F(GatheredFindsTest, RowsOnDifferentNodesAreReadFromTheirNodes) {
  connection_.on_replica_group = [](ProductId id) { return static_cast<std::uint32_t>(id / 10); };
  expect_right({1, 2, 11});
  EXPECT_THAT(together_, IsEmpty());
  EXPECT_THAT(alone_, SizeIs(3));
  expect_right({11, 12});
  EXPECT_THAT(together_, ElementsAre(ElementsAre(11, 12)));
}

TEST_F(GatheredFindsTest, WhatFailsTogetherIsReadOneByOne) {
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kInternal}) {
    together_error_ = Error{code, "message", "cause"};
    expect_right({1, 2, 3});
  }
  EXPECT_THAT(together_, SizeIs(2));
  EXPECT_THAT(alone_, SizeIs(6));
}

TEST_F(GatheredFindsTest, AClusterThatDoesNotAllowItIsNotAskedAgain) {
  together_error_ = Error{ErrorCode::kInvalid, "guardrail", ""};
  expect_right({1, 2, 3});
  expect_right({1, 2, 3});
  EXPECT_THAT(together_, SizeIs(1));
  EXPECT_THAT(alone_, SizeIs(6));
}

TEST_F(GatheredFindsTest, EachGetsTheErrorOfItsOwnRead) {
  together_error_ = alone_error_ = Error{ErrorCode::kUnavailable, "no node", "cause"};
  for (const auto& found : find_all({1, 2})) EXPECT_EQ(found.error(), *alone_error_);
}

// Many threads at once: nobody is forgotten, and everybody gets the right product.
TEST_F(GatheredFindsTest, FromManyExecutors) {
  std::mutex mutex;
  const auto answer = [&mutex](std::span<const ProductId> ids) -> Result<Rows> {
    const std::lock_guard lock(mutex);
    return rows_for(ids);
  };
  connection_.on_select = connection_.on_select_together = answer;
  std::vector<std::unique_ptr<boost::asio::thread_pool>> pools;
  for (int i = 0; i < 4; ++i) pools.push_back(std::make_unique<boost::asio::thread_pool>(1));
  std::vector<std::future<Result<Product>>> asked;
  for (ProductId id = 1; id <= 4'001; id += 2) {
    auto& pool = *pools[static_cast<std::size_t>(id / 2) % pools.size()];
    asked.push_back(boost::asio::co_spawn(pool, finds_.find(id), boost::asio::use_future));
  }
  ProductId id = 1;
  for (auto& one : asked) {
    EXPECT_EQ(one.get().value().id, id);
    id += 2;
  }
  for (auto& pool : pools) pool->join();
}

}  // namespace
}  // namespace dataflow::cassandra
