// Goal: every row is saved exactly once and reported truthfully, whatever the cluster answers,
// within the limits on batches, on what is in flight and on repetitions.
#include "dataflow/cassandra/writer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <set>

#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr WriteTime kTime = 1'700'000'000'000'000;

// A cluster that remembers what it is asked to save, and answers as it is told to.
class Cluster {
 public:
  explicit Cluster(FakeConnection& connection) {
    connection.on_save = [this](FakeConnection::Saved saved) { return save(this, saved); };
  }

  // The answer to this attempt at a batch whose first row is this one.
  std::function<Result<void>(ProductId first, int attempt)> answer =
      [](ProductId, int) -> Result<void> { return {}; };

  std::vector<std::vector<ProductId>> batches;  // acknowledged
  int attempts = 0;
  int most_in_flight = 0;
  std::set<WriteTime> times;

 private:
  static std::vector<ProductId> ids_of(const FakeConnection::Saved& saved) {
    std::vector<ProductId> ids;
    Rows rows(nullptr, saved.bytes, saved.lengths, saved.columns);
    while (!rows.done()) {
      ProductId id = 0;
      for (const char byte : rows.next().bytes) id = id << 8 | static_cast<std::uint8_t>(byte);
      ids.push_back(id);
      for (std::size_t i = 1; i < saved.columns; ++i) rows.next();
    }
    return ids;
  }

  static Task<Result<void>> save(Cluster* self, FakeConnection::Saved saved) {
    const std::vector<ProductId> ids = ids_of(saved);
    int attempt = 0;
    {
      const std::lock_guard lock(self->mutex_);
      ++self->attempts;
      attempt = ++self->attempts_of_[ids.front()];
      self->times.insert(saved.time);
      self->most_in_flight = std::max(self->most_in_flight, ++self->in_flight_);
    }
    const auto executor = co_await boost::asio::this_coro::executor;
    co_await boost::asio::post(executor, boost::asio::use_awaitable);
    const std::lock_guard lock(self->mutex_);
    --self->in_flight_;
    auto result = self->answer(ids.front(), attempt);
    if (result) self->batches.push_back(ids);
    co_return result;
  }

  std::mutex mutex_;
  std::map<ProductId, int> attempts_of_;
  int in_flight_ = 0;
};

class WriterTest : public testing::Test {
 protected:
  WriterTest() {
    for (ProductId id = 0; id < 1000; ++id) products_.push_back(bare(id, "title"));
  }

  Result<void> save(std::span<const ProductView> products) {
    stored_ = std::vector<char>(products.size(), false);
    return run(writer_->save_many(products, kTime, stored()));
  }
  Result<void> save() { return save(products_); }

  void use(const Options& options) {
    writer_ = std::make_unique<Writer>(connection_, kLimits, options);
  }

  // std::vector<bool> has no elements to point at.
  std::span<bool> stored() { return {reinterpret_cast<bool*>(stored_.data()), stored_.size()}; }

  std::vector<ProductId> saved_ids() const {
    std::vector<ProductId> ids;
    for (const auto& batch : cluster_.batches) ids.insert(ids.end(), batch.begin(), batch.end());
    std::ranges::sort(ids);
    return ids;
  }

  static constexpr BatchLimits kLimits{.bytes = 5120, .rows = 10};
  static inline const Options kQuick{.retry_timeout_ms = 50, .retry_wait_ms = 1};

  std::vector<ProductView> products_;
  std::vector<char> stored_;
  FakeConnection connection_;
  Cluster cluster_{connection_};
  std::unique_ptr<Writer> writer_ = std::make_unique<Writer>(connection_, kLimits, kQuick);
};

Result<void> unavailable(ProductId = 0, int = 0) {
  return fail(ErrorCode::kUnavailable, "no answer", "timeout");
}

TEST_F(WriterTest, SavesEveryRowOnceWithTheTimeItWasGiven) {
  ASSERT_TRUE(save());
  EXPECT_THAT(stored(), Each(true));
  const auto ids = saved_ids();
  ASSERT_EQ(ids.size(), 1000U);
  for (ProductId id = 0; id < 1000; ++id) EXPECT_EQ(ids[static_cast<std::size_t>(id)], id);
  EXPECT_EQ(cluster_.batches.size(), 100U);
  EXPECT_EQ(cluster_.times, std::set<WriteTime>{kTime});
}

TEST_F(WriterTest, NothingIsSavedAtOnce) {
  ASSERT_TRUE(save({}));
  EXPECT_EQ(cluster_.attempts, 0);
}

TEST_F(WriterTest, ABatchHoldsRowsOfOneReplicaGroup) {
  connection_.on_replica_group = [](ProductId id) { return static_cast<std::uint32_t>(id % 3); };
  ASSERT_TRUE(save());
  EXPECT_EQ(saved_ids().size(), 1000U);
  for (const auto& batch : cluster_.batches) {
    for (const ProductId id : batch) EXPECT_EQ(id % 3, batch.front() % 3);
  }
}

TEST_F(WriterTest, RepeatsWithTheSameTimeWhatTheClusterCouldNotTake) {
  use({.retry_timeout_ms = 60'000, .retry_wait_ms = 1});
  cluster_.answer = [](ProductId first, int attempt) {
    return first % 20 == 0 && attempt < 3 ? unavailable() : Result<void>();
  };
  ASSERT_TRUE(save());
  EXPECT_THAT(stored(), Each(true));
  EXPECT_EQ(saved_ids().size(), 1000U);
  EXPECT_EQ(cluster_.attempts, 200);
  EXPECT_EQ(cluster_.times, std::set<WriteTime>{kTime});
}

TEST_F(WriterTest, GivesUpAfterItsTimeAndTellsWhatIsStored) {
  cluster_.answer = [](ProductId first, int) {
    return first == 500 ? unavailable() : Result<void>();
  };
  const auto result = save();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(result.error().message, HasSubstr("gave up"));
  EXPECT_EQ(result.error().cause, "timeout");
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(stored()[i], i < 500 || i >= 510) << i;
}

TEST_F(WriterTest, ATimeOfNothingMeansNoRepetition) {
  use({.retry_timeout_ms = 0, .max_in_flight = 1});
  cluster_.answer = unavailable;
  ASSERT_FALSE(save());
  EXPECT_EQ(cluster_.attempts, 1) << "no further batch is begun after one has failed";
  EXPECT_THAT(stored(), Each(false));
}

TEST_F(WriterTest, WhatIsRefusedIsNotRepeated) {
  for (const ErrorCode code :
       {ErrorCode::kInvalid, ErrorCode::kUnauthorized, ErrorCode::kInternal}) {
    cluster_.attempts = 0;
    cluster_.answer = [code](ProductId, int) -> Result<void> { return fail(code, "no"); };
    const auto result = save(std::span(products_).first(10));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code);
    EXPECT_EQ(cluster_.attempts, 1);
  }
}

TEST_F(WriterTest, WhatIsAlreadyOnItsWayIsStillReported) {
  cluster_.answer = [](ProductId first, int) -> Result<void> {
    if (first == 0) return fail(ErrorCode::kInvalid, "too large");
    return {};
  };
  const auto result = save();
  ASSERT_FALSE(result);
  const auto ids = saved_ids();
  EXPECT_FALSE(ids.empty());
  EXPECT_EQ(std::ranges::count(stored(), true), static_cast<std::ptrdiff_t>(ids.size()));
  for (const ProductId id : ids) EXPECT_TRUE(stored()[static_cast<std::size_t>(id)]);
}

TEST_F(WriterTest, NeverMoreInFlightThanAllowed) {
  use({.max_in_flight = 7});
  ASSERT_TRUE(save());
  EXPECT_EQ(cluster_.most_in_flight, 7);
  EXPECT_EQ(writer_->in_flight().in_flight(), 0U);
}

TEST_F(WriterTest, AnOutageEndsACallOnceHoweverManyBatchesWait) {
  use({.retry_timeout_ms = 50, .retry_wait_ms = 1, .max_in_flight = 1});
  cluster_.answer = unavailable;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_FALSE(save());
  // A hundred batches one after another would take 5 s.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

Task<Result<void>> save_on(Writer& writer, std::span<const ProductView> products,
                           std::span<bool> stored) {
  auto result = co_await writer.save_many(products, kTime, stored);
  co_return result;
}

Task<Result<void>> no_answer_for_a_while(FakeConnection::Saved, std::atomic<int>& attempts) {
  ++attempts;
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, std::chrono::milliseconds(10));
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return unavailable();
}

TEST_F(WriterTest, AnOutageEndsAllCallsHoweverManyWait) {
  use({.retry_timeout_ms = 50, .retry_wait_ms = 1, .max_in_flight = 1});
  std::atomic<int> attempts = 0;
  connection_.on_save = [&attempts](FakeConnection::Saved saved) {
    return no_answer_for_a_while(saved, attempts);
  };
  boost::asio::thread_pool pool(2);
  stored_ = std::vector<char>(products_.size(), false);
  std::vector<std::future<Result<void>>> calls;
  for (std::size_t i = 0; i < 1000; i += 10) {
    calls.push_back(boost::asio::co_spawn(
        pool, save_on(*writer_, std::span(products_).subspan(i, 10), stored().subspan(i, 10)),
        boost::asio::use_future));
  }
  for (auto& call : calls) {
    const auto result = call.get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(result.error().message, HasSubstr("gave up"));
  }
  // As many as fit into the time, one after another; not one for each of the hundred calls.
  EXPECT_LE(attempts, 10);
  EXPECT_THAT(stored(), Each(false));
}

TEST_F(WriterTest, CallsOfManyThreadsShareTheLimit) {
  use({.retry_timeout_ms = 10'000, .retry_wait_ms = 1, .max_in_flight = 20});
  cluster_.answer = [](ProductId first, int attempt) {
    return first % 50 == 0 && attempt == 1 ? unavailable() : Result<void>();
  };
  boost::asio::thread_pool pool(4);
  stored_ = std::vector<char>(products_.size(), false);
  std::vector<std::future<Result<void>>> calls;
  for (std::size_t i = 0; i < 1000; i += 100) {
    calls.push_back(boost::asio::co_spawn(
        pool, save_on(*writer_, std::span(products_).subspan(i, 100), stored().subspan(i, 100)),
        boost::asio::use_future));
  }
  for (auto& call : calls) EXPECT_TRUE(call.get());
  EXPECT_THAT(stored(), Each(true));
  EXPECT_EQ(saved_ids().size(), 1000U);
  EXPECT_LE(cluster_.most_in_flight, 20);
}

}  // namespace
}  // namespace dataflow::cassandra
