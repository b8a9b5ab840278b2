// Goal: of several jobs that write to one table, with one cache, several or none, nobody believes
// what another one has replaced, and no two versions of a row have one write time.
#include "dataflow/pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/mock/cache.h"
#include "dataflow/mock/product_service.h"
#include "dataflow/pipeline/pipeline_fixture.h"
#include "dataflow/pipeline/write_clock.h"

namespace dataflow::pipeline {
namespace {

using mock::MemoryCache;
using mock::MemoryStore;

TEST_F(PipelineTest, TwoJobsOneAfterTheOtherInterleavedEndAsOneOfThem) {
  // The other job takes row 1 between this job's comparison and its record.
  mock::Cache interleaved(cache_);
  fetch_->put("x", line(1, "x"));
  load({"x"});
  fetch_->put("x", line(1, "x") + line(2, "more"));
  bool other_ran = false;
  interleaved.remember_fn = [&](std::span<const ProductId> ids, std::span<const CacheEntry> entries,
                                Making making) -> Task<Result<std::size_t>> {
    return [](MemoryCache& cache, bool& ran, std::vector<ProductId> these,
              std::vector<CacheEntry> those, ObjectId object,
              std::string token) -> Task<Result<std::size_t>> {
      if (!std::exchange(ran, true)) {
        const std::vector<ProductId> taken{1};
        auto forgotten = co_await cache.forget(taken, object_id("y"), those.front().time + 1);
        if (!forgotten) co_return std::unexpected(forgotten.error());
      }
      auto remembered = co_await cache.remember(these, those, {object, token});
      co_return remembered;
    }(cache_, other_ran, {ids.begin(), ids.end()}, {entries.begin(), entries.end()}, making.object,
                                 std::string(making.token));
  };
  cache_used_ = &interleaved;
  load({"x"});
  EXPECT_TRUE(other_ran);
  // x has lost a row while its record was being made: it is read again, and the row written again.
  cache_used_ = &cache_;
  const Summary again = load({"x"});
  EXPECT_EQ(again.objects_skipped, 0u);
  EXPECT_EQ(again.counts.written, 1u);
}

// Caches that take turns over one table: what one was not told of, it does not know.
TEST_F(PipelineTest, ACacheThatWasLeftOutIsNotBelievedAgain) {
  MemoryCache other;
  fetch_->put("a", line(1, "old"));
  load({"a"});
  const auto old = *mock::wait(fetch_->stat("a"));
  cache_used_ = &other;
  fetch_->put("a", line(1, "new"));
  load({"a"});
  EXPECT_EQ(titles(), (Titles{{1, "new"}}));
  cache_used_ = &cache_;
  fetch_->put("a", line(1, "old"), old.version);
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "old"}}));
  EXPECT_EQ(load({"a"}).objects_skipped, 1u);
}

// A job that opens a cache while another one writes without: what it wrote itself may be replaced
// by a write that its cache is never told of.
TEST_F(PipelineTest, ACacheOpenedWhileAnotherJobWritesWithoutOneIsNotBelieved) {
  enum class Blind { kNoCache, kAnotherCache, kFailsAtItsEnd, kIsRefusedAtItsEnd };
  for (const auto blind :
       {Blind::kNoCache, Blind::kAnotherCache, Blind::kFailsAtItsEnd, Blind::kIsRefusedAtItsEnd}) {
    MemoryCache another;
    options_.block_bytes = 32;
    options_.objects_in_flight = 1;
    const bool refused = blind == Blind::kIsRefusedAtItsEnd;
    const bool fails = blind == Blind::kFailsAtItsEnd || refused;
    const std::string last = refused ? line(3, "too large") : "no room for this line\n";
    fetch_->put("blind", line(1, "a") + line(2, "a") + (fails ? last : ""));
    fetch_->put("told", line(2, "b"));
    bool other_ran = false;
    mock::ProductService meanwhile(store_);
    meanwhile.save_many_fn = [&](std::span<const ProductView> products, WriteTime time,
                                 std::span<bool> stored) {
      if (products.front().id == 2 && !std::exchange(other_ran, true)) {
        store_used_ = &store_;
        cache_used_ = &cache_;
        EXPECT_EQ(load({"told"}).counts.written, 1u);
        EXPECT_EQ(titles().at(2), "b");
        time = std::max(time, *store_.time_of(2) + 1);
      }
      if (products.front().id == 3) {
        return mock::ready<void>(fail(ErrorCode::kInvalid, "mutation too large"));
      }
      return store_.save_many(products, time, stored);
    };
    store_used_ = &meanwhile;
    cache_used_ = blind == Blind::kAnotherCache ? &another : nullptr;
    options_.max_rejects_bytes = fails ? 1 : 1'000;
    EXPECT_EQ(load({"blind"}).errors.empty(), !fails);
    ASSERT_TRUE(other_ran);
    EXPECT_EQ(titles().at(2), "a");
    store_used_ = &store_;
    cache_used_ = &cache_;
    EXPECT_EQ(load({"told"}).counts.written, 1u);
    EXPECT_EQ(titles().at(2), "b");
    store_.truncate();
  }
}

// Of two jobs with one cache the one whose write holds cannot tell it so.
TEST_F(PipelineTest, ARowThatTheCacheCouldNotBeToldOfIsNotBelieved) {
  fetch_->put("a", line(1, "of a"));
  fetch_->put("b", line(1, "of b"));
  mock::Cache deaf(cache_);
  deaf.remember_fn = [](std::span<const ProductId>, std::span<const CacheEntry>, Making) {
    return mock::ready<std::size_t>(fail(ErrorCode::kUnavailable, "timed out"));
  };
  bool other_ran = false;
  mock::ProductService meanwhile(store_);
  meanwhile.save_many_fn = [&](std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) {
    if (!std::exchange(other_ran, true)) {
      store_used_ = &store_;
      cache_used_ = &cache_;
      EXPECT_EQ(load({"a"}).counts.written, 1u);
      time = std::max(time, *store_.time_of(1) + 1);
    }
    return store_.save_many(products, time, stored);
  };
  store_used_ = &meanwhile;
  cache_used_ = &deaf;
  EXPECT_TRUE(load({"b"}).errors.empty());
  ASSERT_TRUE(other_ran);
  EXPECT_EQ(titles(), (Titles{{1, "of b"}}));
  store_used_ = &store_;
  cache_used_ = &cache_;
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "of a"}}));
  EXPECT_EQ(load({"a"}).counts.written, 0u);
}

// The slower job puts a row off to the end of its run; the object is replaced, and read and
// recorded by another one, in between.
TEST_F(PipelineTest, ARecordDoesNotOutliveALateWriteOfAnOlderVersion) {
  const auto text = [](std::string_view title) {
    std::string lines = line(1, title);
    for (ProductId id = 2; id < 100; ++id) lines += line(id, "same");
    return lines;
  };
  options_.objects_in_flight = 1;
  fetch_->put("a", text("new"));
  load({"a"});
  fetch_->put("a", text("old"));
  fetch_->put("z", line(1'000, "z"));
  bool other_ran = false;
  fetch_->before_read = [&](const Object& object, std::uint64_t) -> Result<void> {
    if (object.name == "z" && !std::exchange(other_ran, true)) {
      fetch_->put("a", text("new"));
      EXPECT_EQ(load({"a"}).counts.written, 0u);
    }
    return {};
  };
  EXPECT_EQ(load({"*"}).counts.changed, 1u);
  ASSERT_TRUE(other_ran);
  EXPECT_EQ(titles().at(1), "old");
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  EXPECT_EQ(titles().at(1), "new");
}

// The part of a write time that tells jobs apart.
std::uint64_t slot_of(WriteTime time) {
  return static_cast<std::uint64_t>(time) % ProductService::kWritersApart;
}

TEST_F(PipelineTest, JobsAtTheSameTimeHaveTheSlotsThatTheStoreGaveThem) {
  fetch_->put("a", line(1, "a"));
  fetch_->put("b", line(2, "b"));
  mock::ProductService meanwhile(store_);
  bool other_ran = false;
  meanwhile.save_many_fn = [&](std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) {
    if (!std::exchange(other_ran, true)) {
      store_used_ = &store_;
      load({"b"});
    }
    return store_.save_many(products, time, stored);
  };
  for (Cache* const cache : {cache_used_, static_cast<Cache*>(nullptr)}) {
    other_ran = false;
    store_.truncate();
    const std::uint64_t writers = store_.writers();
    store_used_ = &meanwhile;
    cache_used_ = cache;
    load({"a"});
    ASSERT_TRUE(other_ran);
    EXPECT_EQ(slot_of(*store_.time_of(1)), writers + 1);
    EXPECT_EQ(slot_of(*store_.time_of(2)), writers + 2);
  }
}

// A store's answer that takes so long that other blocks' rows are on their way when it comes.
Task<Result<std::uint64_t>> late(std::atomic<int>& asked, Result<std::uint64_t> answer) {
  ++asked;
  const auto executor = co_await boost::asio::this_coro::executor;
  for (int i = 0; i < 1'000; ++i) {
    co_await boost::asio::post(executor, boost::asio::use_awaitable);
  }
  co_return answer;
}

TEST_F(PipelineTest, ARunIsOneWriterHoweverManyBlocksWriteAtTheSameTime) {
  constexpr ProductId kRows = 200;
  options_.block_bytes = 64;
  threads_ = 4;
  std::string text;
  for (ProductId id = 0; id < kRows; ++id) text += line(id, "title");
  fetch_->put("a", text);
  mock::ProductService slow(store_);
  std::atomic<int> asked = 0;
  slow.writer_number_fn = [&] { return late(asked, 1); };
  store_used_ = &slow;
  EXPECT_EQ(load({"a"}).counts.written, static_cast<std::uint64_t>(kRows));
  EXPECT_EQ(asked, 1);
  for (ProductId id = 0; id < kRows; ++id) ASSERT_EQ(slot_of(*store_.time_of(id)), 1u) << id;
}

TEST_F(PipelineTest, ARunThatWritesNothingIsNoWriter) {
  fetch_->put("a", line(1, "one"));
  options_.dry_run = true;
  load({"a"});
  EXPECT_EQ(store_.writers(), 0u);
  options_.dry_run = false;
  load({"a"});
  EXPECT_EQ(store_.writers(), 1u);
  fetch_->put("a", line(1, "one") + "\n");
  EXPECT_EQ(load({"a"}).counts.unchanged, 1u);
  EXPECT_EQ(store_.writers(), 1u);
}

TEST_F(PipelineTest, AStoreThatGivesNoNumberIsAWarningWhereItMayNot) {
  mock::ProductService refusing(store_);
  refusing.writer_number_fn = [] { return fail(ErrorCode::kUnauthorized, "no MODIFY permission"); };
  store_used_ = &refusing;
  options_.block_bytes = 64;
  fetch_->put("a", line(1, "one") + line(2, "two") + line(3, "three"));
  const Summary summary = load({"a"});
  EXPECT_TRUE(summary.errors.empty());
  EXPECT_EQ(summary.counts.written, 3u);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_.front().find("no MODIFY permission"), std::string::npos);
}

// One question is as patient as the store is: each block's own would take as long again.
TEST_F(PipelineTest, AStoreThatCannotGiveANumberIsAskedOnceAndWrittenNothing) {
  mock::ProductService failing(store_);
  std::atomic<int> asked = 0;
  failing.writer_number_fn = [&] {
    return late(asked, fail(ErrorCode::kUnavailable, "no quorum"));
  };
  store_used_ = &failing;
  options_.block_bytes = 64;
  threads_ = 4;
  std::string text;
  for (ProductId id = 0; id < 100; ++id) text += line(id, "title");
  fetch_->put("a", text);
  const Summary summary = load({"a"});
  EXPECT_EQ(summary.stop, Stop::kFailed);
  ASSERT_FALSE(summary.errors.empty());
  EXPECT_NE(summary.errors.front().message.find("no quorum"), std::string::npos);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(store_.saves(), 0u);
  store_used_ = &store_;
  EXPECT_EQ(load({"a"}).counts.written, 100u);
}

// Another job that writes each row of a save_many once more, later, and is killed before it
// remembers.
class KilledJob {
 public:
  KilledJob(MemoryStore& store, MemoryCache& cache) : store_(store), cache_(cache) {}

  Task<Result<void>> overwrite(ProductId id, WriteTime after) {
    const std::vector<ProductId> ids{id};
    const WriteTime time = after + WriteClock::kStepUs;
    auto forgotten = co_await cache_.forget(ids, object_id("y"), time);
    if (!forgotten) co_return std::unexpected(forgotten.error());
    Product product;
    product.id = id;
    product.title = "y";
    const std::vector<ProductView> views{view_of(product)};
    bool stored = false;
    auto saved = co_await store_.save_many(views, time, std::span(&stored, 1));
    co_return saved;
  }

 private:
  MemoryStore& store_;
  MemoryCache& cache_;
};

TEST_F(PipelineTest, AJobKilledBeforeItRemembersLeavesNoEntryOfTheWriteThatLost) {
  fetch_->put("x", line(1, "x"));
  load({"x"});
  fetch_->put("x", line(1, "x, new"));
  KilledJob killed(store_, cache_);
  mock::ProductService interleaved(store_);
  interleaved.save_many_fn = [&](std::span<const ProductView> products, WriteTime time,
                                 std::span<bool> stored) -> Task<Result<void>> {
    return [](KilledJob& other, MemoryStore& store, std::span<const ProductView> rows,
              WriteTime when, std::span<bool> acknowledged) -> Task<Result<void>> {
      auto overwritten = co_await other.overwrite(rows.front().id, when);
      if (!overwritten) co_return overwritten;
      auto saved = co_await store.save_many(rows, when, acknowledged);
      co_return saved;
    }(killed, store_, products, time, stored);
  };
  store_used_ = &interleaved;
  load({"x"});
  EXPECT_EQ(titles(), (Titles{{1, "y"}}));
  store_used_ = &store_;
  load({"x"});
  EXPECT_EQ(titles(), (Titles{{1, "x, new"}})) << "the loser's entry was believed";
  EXPECT_EQ(load({"x"}).counts.written, 0u);
}

}  // namespace
}  // namespace dataflow::pipeline
