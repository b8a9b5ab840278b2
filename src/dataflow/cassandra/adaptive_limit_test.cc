// Goal: the limit finds a server's capacity, follows it, and is fair to who waits. No clock:
// latencies are given.
#include "dataflow/cassandra/adaptive_limit.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace dataflow::cassandra {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using Outcome = AdaptiveLimit::Outcome;
using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::Le;

Task<void> take(AdaptiveLimit& limit, std::vector<int>& order, int name) {
  co_await limit.acquire();
  order.push_back(name);
}

class AdaptiveLimitTest : public testing::Test {
 protected:
  void start(int name) {
    ++started_;
    boost::asio::co_spawn(io_, take(*limit_, order_, name), boost::asio::detached);
    settle();
  }

  void settle() {
    io_.restart();
    io_.poll();
  }

  // Until somebody has to wait.
  void fill() {
    while (started_ == order_.size()) start(0);
  }

  // Somebody always waits, and this many answers come with the latency a server has that serves
  // `capacity` requests at once in 1 ms each and queues the others.
  void load(std::size_t capacity, int answers) {
    for (int i = 0; i < answers; ++i) {
      fill();
      const auto busy = std::max(limit_->in_flight(), capacity);
      answer(microseconds(1000 * busy / capacity));
    }
  }

  void answer(nanoseconds latency) {
    limit_->release(Outcome::kAnswered, latency);
    settle();
  }

  // One request that this outcome ends, with nobody waiting.
  void one(Outcome outcome, nanoseconds latency) {
    start(0);
    limit_->release(outcome, latency);
    settle();
  }

  void use(AdaptiveLimit::Bounds bounds) { limit_ = std::make_unique<AdaptiveLimit>(bounds); }

  boost::asio::io_context io_;  // outlives those who wait at the limit
  std::unique_ptr<AdaptiveLimit> limit_ = std::make_unique<AdaptiveLimit>(AdaptiveLimit::Bounds{});
  std::vector<int> order_;
  std::size_t started_ = 0;
};

TEST_F(AdaptiveLimitTest, NeverLetsMoreThroughThanTheLimit) {
  use({.smallest = 2, .initial = 2, .largest = 2});
  for (int name : {1, 2, 3}) start(name);
  EXPECT_THAT(order_, ElementsAre(1, 2));
  EXPECT_EQ(limit_->in_flight(), 2U);
}

TEST_F(AdaptiveLimitTest, ServesInTheOrderOfAsking) {
  use({.smallest = 1, .initial = 1, .largest = 1});
  for (int name : {1, 2, 3}) start(name);
  limit_->release(Outcome::kRefused, {});
  // Who comes while a place is being handed on does not overtake.
  start(4);
  settle();
  EXPECT_THAT(order_, ElementsAre(1, 2));
  for (int i = 0; i < 2; ++i) {
    limit_->release(Outcome::kRefused, {});
    settle();
  }
  EXPECT_THAT(order_, ElementsAre(1, 2, 3, 4));
}

TEST_F(AdaptiveLimitTest, GrowsToTheLargestWhileLatencyHolds) {
  load(1'000'000, 20'000);
  EXPECT_EQ(limit_->limit(), 256U);
}

TEST_F(AdaptiveLimitTest, SettlesWhereRequestsOnlyQueueUp) {
  load(20, 20'000);
  // Four times what the server does at once, and a step more or less.
  EXPECT_THAT(limit_->limit(), AllOf(Ge(60U), Le(100U)));
  load(20, 20'000);
  EXPECT_THAT(limit_->limit(), AllOf(Ge(60U), Le(100U)));
}

TEST_F(AdaptiveLimitTest, ShrinksWhenLatencyRisesAndGrowsWhenItFallsAgain) {
  load(20, 20'000);
  const std::size_t before = limit_->limit();
  load(5, 20'000);
  EXPECT_LT(limit_->limit(), before / 2);
  load(20, 20'000);
  EXPECT_THAT(limit_->limit(), AllOf(Ge(60U), Le(100U)));
}

TEST_F(AdaptiveLimitTest, ASlowerServerIsTheNewMeasureOnceTheLimitIsSmallest) {
  use({.smallest = 4, .initial = 16, .largest = 64});
  load(1'000'000, 1'000);
  const auto slow = [this](int answers) {
    for (int i = 0; i < answers; ++i) {
      fill();
      answer(std::chrono::milliseconds(50));
    }
  };
  slow(200);
  EXPECT_LT(limit_->limit(), 64U);
  // Fifty times slower however few are in flight: not our doing, so the limit comes back.
  slow(20'000);
  EXPECT_EQ(limit_->limit(), 64U);
}

TEST_F(AdaptiveLimitTest, DoesNotGrowWhenNobodyWaits) {
  for (int i = 0; i < 1'000; ++i) one(Outcome::kAnswered, microseconds(100));
  EXPECT_EQ(limit_->limit(), 16U);
}

TEST_F(AdaptiveLimitTest, OneBurstOfOverloadHalvesOnce) {
  for (int i = 0; i < 16; ++i) start(0);
  for (int i = 0; i < 16; ++i) limit_->release(Outcome::kOverload, {});
  EXPECT_EQ(limit_->limit(), 8U);
  one(Outcome::kOverload, {});
  EXPECT_EQ(limit_->limit(), 4U);
  one(Outcome::kOverload, {});
  EXPECT_EQ(limit_->limit(), 4U) << "never below the smallest";
}

TEST_F(AdaptiveLimitTest, RefusalsSayNothingAboutLoad) {
  for (int i = 0; i < 1'000; ++i) one(Outcome::kRefused, std::chrono::seconds(1));
  EXPECT_EQ(limit_->limit(), 16U);
}

TEST_F(AdaptiveLimitTest, BoundsBelowTheDefaultsHold) {
  use({.largest = 1});
  EXPECT_EQ(limit_->limit(), 1U);
  one(Outcome::kOverload, {});
  EXPECT_EQ(limit_->limit(), 1U);
}

}  // namespace
}  // namespace dataflow::cassandra
