// Goal: where store, cache or sources fail or change during a run, no row is lost and none is
// remembered that is not there: the cache is advice.
#include "dataflow/pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "dataflow/mock/cache.h"
#include "dataflow/mock/product_service.h"
#include "dataflow/pipeline/pipeline_fixture.h"

namespace dataflow::pipeline {
namespace {

TEST_F(PipelineTest, ACacheThatFailsInTheMiddleCostsWritesNeverARow) {
  mock::Cache failing(cache_);
  options_.block_bytes = 64;
  std::string text, changed;
  Titles expected;
  for (ProductId id = 0; id < 100; ++id) {
    text += line(id, "old");
    changed += line(id, "new");
    expected[id] = "old";
  }
  fetch_->put("a", text);
  load({"a"});
  int calls = 0;
  failing.find_fn = [&](std::span<const ProductId> ids, std::span<CacheEntry> entries) {
    if (++calls > 10) {
      return mock::ready<void>(fail(ErrorCode::kUnavailable, "the cache is down"));
    }
    return cache_.find(ids, entries);
  };
  cache_used_ = &failing;
  fetch_->put("a", changed);
  const Summary summary = load({"a"});
  EXPECT_TRUE(summary.errors.empty());
  EXPECT_EQ(summary.counts.written, 100u);
  EXPECT_EQ(warnings_.size(), 1u);
  // The prices go back. What the cache knew before it failed must not hide that.
  cache_used_ = &cache_;
  fetch_->put("a", text);
  load({"a"});
  EXPECT_EQ(titles(), expected);
}

TEST_F(PipelineTest, ARowThatIsNotAcknowledgedIsNotRemembered) {
  fetch_->put("a", line(1, "one") + line(2, "two") + line(3, "three"));
  store_.after_row = [](const ProductView& product) -> Result<void> {
    if (product.id == 2) return fail(ErrorCode::kUnavailable, "timeout");
    return {};
  };
  const Summary failed = load({"a"});
  EXPECT_EQ(failed.stop, Stop::kFailed);
  ASSERT_EQ(failed.errors.size(), 1u);
  EXPECT_EQ(failed.counts.written, 1u);
  EXPECT_EQ(cache_.entries().size(), 1u);
  store_.after_row = nullptr;
  const Summary again = load({"a"});
  EXPECT_EQ(again.counts.unchanged, 1u);
  EXPECT_EQ(again.counts.written, 2u);
  EXPECT_EQ(load({"a"}).objects_skipped, 1u);
}

TEST_F(PipelineTest, AChangedRowThatWasNotAcknowledgedIsWrittenAgainAlsoWhenItGoesBack) {
  fetch_->put("a", line(1, "old"));
  load({"a"});
  store_.after_row = [](const ProductView&) -> Result<void> {
    return fail(ErrorCode::kUnavailable, "timeout");
  };
  fetch_->put("a", line(1, "new"));
  load({"a"});
  store_.after_row = nullptr;
  fetch_->put("a", line(1, "old"));
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "old"}}));
}

TEST_F(PipelineTest, AnObjectThatChangesWhileItIsReadIsStartedAgain) {
  options_.block_bytes = 64;
  fetch_->piece = 32;
  std::string old_text = "bad old line\n";
  for (ProductId id = 0; id < 50; ++id) old_text += line(id, "old");
  fetch_->put("a", old_text);
  bool replaced = false;
  fetch_->before_read = [&](const Object&, std::uint64_t offset) -> Result<void> {
    if (offset > 500 && !std::exchange(replaced, true)) {
      return fail(ErrorCode::kConflict, "changed");
    }
    return {};
  };
  const Summary summary = load({"a"});
  EXPECT_TRUE(replaced);
  EXPECT_TRUE(summary.errors.empty());
  EXPECT_EQ(summary.counts.lines, 51u);
  EXPECT_EQ(summary.counts.rejected, 1u);
  EXPECT_EQ(content(options_.rejects), "bad old line\n");
}

TEST_F(PipelineTest, AnObjectThatWasStartedAgainWithRowsPutOffIsKnownAfterwards) {
  options_.block_bytes = 64;
  fetch_->piece = 32;
  const auto twice = [](std::string_view first, std::string_view last) {
    std::string text;
    for (const auto title : {first, last}) {
      for (ProductId id = 0; id < 50; ++id) text += line(id, title);
    }
    return text;
  };
  fetch_->put("a", twice("first", "old"));
  load({"a"});
  fetch_->put("a", twice("middle", "new"));
  bool replaced = false;
  fetch_->before_read = [&](const Object&, std::uint64_t offset) -> Result<void> {
    if (offset > 500 && !std::exchange(replaced, true)) {
      return fail(ErrorCode::kConflict, "changed");
    }
    return {};
  };
  EXPECT_TRUE(load({"a"}).errors.empty());
  EXPECT_TRUE(replaced);
  EXPECT_EQ(titles().at(7), "new");
  EXPECT_EQ(load({"a"}).objects_skipped, 1u);
}

// The version before had a line that took the place of another object's, and is gone.
TEST_F(PipelineTest, ALineThatGaveWayToOneThatIsGoneIsWrittenByTheNextRun) {
  options_.block_bytes = 64;
  fetch_->piece = 32;
  const auto many = [](ProductId first) {
    std::string text;
    for (ProductId id = first; id < first + 50; ++id) text += line(id, "many");
    return text;
  };
  fetch_->put("0", line(1, "from 0"));
  fetch_->put("a", line(1, "gone") + many(100));
  bool replaced = false;
  fetch_->before_read = [&](const Object& object, std::uint64_t offset) -> Result<void> {
    if (object.name == "a" && offset > 500 && !std::exchange(replaced, true)) {
      fetch_->put("a", many(100));
      return fail(ErrorCode::kConflict, "changed");
    }
    return {};
  };
  const Summary summary = load({"*"});
  EXPECT_TRUE(replaced);
  ASSERT_EQ(summary.errors.size(), 1u);
  EXPECT_EQ(summary.errors[0].code, ErrorCode::kConflict);
  EXPECT_NE(summary.errors[0].message.find("run the job again"), std::string::npos);
  EXPECT_TRUE(load({"*"}).errors.empty());
  EXPECT_EQ(titles().at(1), "from 0");
  load({"*"});
  EXPECT_EQ(load({"*"}).objects_skipped, 2u);
}

TEST_F(PipelineTest, ALineThatGaveWayIsToldAlsoWhereItsFileWasSkipped) {
  options_.deferred_bytes = 0;
  const std::string two = line(2, "two");
  fetch_->put("0", line(1, "from 0"));
  fetch_->put("a", two);
  load({"*"});
  fetch_->put("a", line(1, "gone") + two);
  bool replaced = false;
  fetch_->before_read = [&](const Object& object, std::uint64_t offset) -> Result<void> {
    if (object.name == "a" && offset > 0 && !std::exchange(replaced, true)) {
      fetch_->put("a", two);
      return fail(ErrorCode::kConflict, "changed");
    }
    return {};
  };
  fetch_->piece = 32;
  options_.block_bytes = 32;
  const Summary summary = load({"*"});
  EXPECT_TRUE(replaced);
  if (titles().at(1) == "gone") {
    ASSERT_EQ(summary.errors.size(), 1u);
    EXPECT_EQ(summary.errors[0].code, ErrorCode::kConflict);
  }
  EXPECT_TRUE(load({"*"}).errors.empty());
  EXPECT_EQ(titles(), (Titles{{1, "from 0"}, {2, "two"}}));
}

// What may belong to a file that could not be read is left to the next run.
TEST_F(PipelineTest, AFileThatIsWantedAndCannotBeReadKeepsItsRows) {
  fetch_->put("a", line(1, "from a"));
  fetch_->put("b", line(1, "from b"));
  load({"*"});
  fetch_->put("a", line(1, "new"));
  fetch_->before_read = [](const Object& object, std::uint64_t) -> Result<void> {
    if (object.name == "b") return fail(ErrorCode::kUnavailable, "down");
    return {};
  };
  EXPECT_EQ(load({"*"}).errors.size(), 1u);
  EXPECT_EQ(titles(), (Titles{{1, "from b"}}));
  fetch_->before_read = nullptr;
  EXPECT_EQ(load({"*"}).counts.written, 0u);
}

// Asks the cache when the flag is set.
Task<Result<void>> find_after(std::atomic<bool>* flag, Cache* cache, std::span<const ProductId> ids,
                              std::span<CacheEntry> entries) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  while (!*flag) {
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  auto found = co_await cache->find(ids, entries);
  co_return found;
}

// The end of "a" has been seen when "b" has one id too many for the memory, and there is no disk:
// rows of "a" that are on their way are not written.
TEST_F(PipelineTest, ABlockThatCouldNotBeTakenLeavesItsObjectUnknown) {
  std::atomic<bool> failed = false;
  make_spill_ = [&failed]() -> Result<std::unique_ptr<Occurrences>> {
    failed = true;
    return fail(ErrorCode::kUnavailable, "no room");
  };
  mock::Cache cache(cache_);
  cache.find_fn = [&](std::span<const ProductId> ids, std::span<CacheEntry> entries) {
    return find_after(&failed, &cache_, ids, entries);
  };
  cache_used_ = &cache;
  const std::size_t room = std::exchange(options_.claims_memory_bytes, 0);
  fetch_->put("a", line(1, "one") + line(2, "two"));
  std::string text;
  for (ProductId id = 10; id < 5'000; ++id) text += line(id, "many");
  fetch_->put("b", text);
  EXPECT_FALSE(load({"*"}).errors.empty());
  EXPECT_TRUE(titles().empty());
  cache_used_ = &cache_;
  options_.claims_memory_bytes = room;
  EXPECT_EQ(load({"*"}).objects_skipped, 0u);
  EXPECT_EQ(titles().size(), 4'992u);
}

// None of the rows of a block is taken whose rejected lines cannot be kept.
TEST_F(PipelineTest, ABlockWhoseRejectsCannotBeKeptLeavesItsObjectUnknown) {
  fetch_->put("a", line(1, "one") + "broken\n" + line(2, "two"));
  const std::string rejects = std::exchange(options_.rejects, directory_ / "no/such/folder/r");
  EXPECT_FALSE(load({"a"}).errors.empty());
  EXPECT_TRUE(titles().empty());
  options_.rejects = rejects;
  const Summary again = load({"a"});
  EXPECT_EQ(again.objects_skipped, 0u);
  EXPECT_EQ(again.counts.rejected, 1u);
  EXPECT_EQ(titles().size(), 2u);
}

// What is in the rejects file is nowhere else, and not all of it may have been read.
TEST_F(PipelineTest, ARejectsFileThatIsReadStaysWhereARunFails) {
  std::ofstream(options_.rejects) << "broken\n";
  fetch_->put(options_.rejects, "broken\n");
  fetch_->put("b", line(2, "two"));
  fetch_->before_read = [](const Object& object, std::uint64_t) -> Result<void> {
    if (object.name == "b") return fail(ErrorCode::kUnavailable, "gone");
    return {};
  };
  const Summary failed = load({options_.rejects, "b"});
  EXPECT_EQ(failed.errors.size(), 1u);
  EXPECT_TRUE(failed.rejects.beside);
  EXPECT_NE(failed.rejects.lines, options_.rejects);
  EXPECT_FALSE(std::filesystem::exists(options_.rejects + ".reasons"));
  fetch_->before_read = nullptr;
  EXPECT_EQ(load({options_.rejects, "b"}).rejects.lines, options_.rejects);
  EXPECT_TRUE(std::filesystem::exists(options_.rejects + ".reasons"));
}

// a is to be read once more after b. The run ends before that: what a's one reading found counts.
TEST_F(PipelineTest, WhatWasRejectedIsKeptWhereTheRunEndsBeforeTheSecondReading) {
  options_.deferred_bytes = 0;
  const std::string a = "broken\n" + line(1, "from a"), b = line(1, "from b");
  fetch_->put("a", a);
  fetch_->put("b", b);
  load({"*"});
  std::filesystem::remove(options_.rejects);
  fetch_->put("a", a + line(2, "one more"));
  bool replaced = false;
  fetch_->before_read = [&](const Object& object, std::uint64_t) -> Result<void> {
    if (object.name != "b" || std::exchange(replaced, true)) return {};
    fetch_->put("b", b + line(3, "refused"));
    return fail(ErrorCode::kConflict, "changed");
  };
  store_.after_row = [](const ProductView& product) -> Result<void> {
    if (product.id == 3) return fail(ErrorCode::kUnavailable, "timeout");
    return {};
  };
  const Summary summary = load({"*"});
  EXPECT_TRUE(replaced);
  EXPECT_EQ(summary.stop, Stop::kFailed);
  EXPECT_EQ(fetch_->opens("a"), 2u) << "once in each run";
  EXPECT_EQ(summary.counts.rejected, 1u);
  EXPECT_EQ(content(options_.rejects), "broken\n");
  fetch_->before_read = nullptr;
  store_.after_row = nullptr;
  EXPECT_EQ(load({"*"}).counts.rejected, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "from b"}, {2, "one more"}, {3, "refused"}}));
}

TEST_F(PipelineTest, AnObjectThatNeverComesToRestIsAnError) {
  fetch_->put("a", line(1, "one"));
  fetch_->put("b", line(2, "two"));
  fetch_->before_read = [](const Object& object, std::uint64_t) -> Result<void> {
    if (object.name == "a") return fail(ErrorCode::kConflict, "changed");
    return {};
  };
  const Summary summary = load({"*"});
  ASSERT_EQ(summary.errors.size(), 1u);
  EXPECT_EQ(summary.errors[0].code, ErrorCode::kConflict);
  EXPECT_EQ(titles(), (Titles{{2, "two"}}));
}

TEST_F(PipelineTest, ASourceThatFailsDoesNotStopTheOthers) {
  fetch_->put("a", line(1, "one"));
  fetch_->put("b", line(2, "two"));
  fetch_->before_read = [](const Object& object, std::uint64_t) -> Result<void> {
    if (object.name == "a") return fail(ErrorCode::kUnavailable, "the disk is gone");
    return {};
  };
  const Summary summary = load({"*"});
  ASSERT_EQ(summary.errors.size(), 1u);
  EXPECT_EQ(summary.errors[0].message, "a: the disk is gone");
  EXPECT_EQ(titles(), (Titles{{2, "two"}}));
  fetch_->before_read = nullptr;
  const Summary again = load({"*"});
  EXPECT_EQ(again.objects_skipped, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "one"}, {2, "two"}}));
}

TEST_F(PipelineTest, EntriesEvictedDuringTheRunMakeItReadWhatItSkipped) {
  mock::Cache evicting(cache_);
  fetch_->put("f1", line(1, "from f1"));
  fetch_->put("f2", line(1, "from f2"));
  load({"*"});
  // f1 changes and is read; the row's entry is lost meanwhile, so it looks new and overwrites f2's.
  fetch_->put("f1", line(1, "from f1, new"));
  evicting.find_fn = [&](std::span<const ProductId> ids, std::span<CacheEntry> entries) {
    cache_.evict(1);
    return cache_.find(ids, entries);
  };
  cache_used_ = &evicting;
  load({"*"});
  EXPECT_EQ(titles(), (Titles{{1, "from f2"}}));
}

TEST_F(PipelineTest, ATableTruncatedDuringTheRunIsAnErrorAndFilledByTheNextRun) {
  fetch_->put("a", line(1, "one"));
  fetch_->put("b", line(2, "two"));
  options_.objects_in_flight = 1;
  mock::ProductService truncated(store_);
  bool done = false;
  truncated.save_many_fn = [&](std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) {
    if (products.front().id == 2 && !std::exchange(done, true)) store_.truncate();
    return store_.save_many(products, time, stored);
  };
  store_used_ = &truncated;
  const Summary first = load({"*"});
  ASSERT_EQ(first.errors.size(), 1u);
  EXPECT_NE(first.errors.front().message.find("run the job again"), std::string::npos);
  EXPECT_EQ(titles(), (Titles{{2, "two"}}));
  EXPECT_EQ(load({"*"}).counts.written, 2u);
  EXPECT_EQ(titles(), (Titles{{1, "one"}, {2, "two"}}));
  EXPECT_EQ(load({"*"}).counts.written, 0u);
}

TEST_F(PipelineTest, CachesDisownedDuringTheRunAreNoTruncation) {
  fetch_->put("a", line(1, "one"));
  mock::ProductService disowned(store_);
  disowned.save_many_fn = [&](std::span<const ProductView> products, WriteTime time,
                              std::span<bool> stored) {
    EXPECT_TRUE(mock::wait(store_.disown_caches()));
    return store_.save_many(products, time, stored);
  };
  store_used_ = &disowned;
  EXPECT_TRUE(load({"*"}).errors.empty());
}

TEST_F(PipelineTest, AStoreThatCannotSayWhetherItWasTruncatedIsAnErrorAndTheNextRunWritesNothing) {
  fetch_->put("a", line(1, "one"));
  mock::ProductService silent(store_);
  int asked = 0;
  silent.incarnation_fn = [&] {
    ++asked;
    return mock::ready<std::string>(fail(ErrorCode::kUnavailable, "nobody answers"));
  };
  store_used_ = &silent;
  const Summary first = load({"*"});
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(first.counts.written, 1u);
  ASSERT_EQ(first.errors.size(), 1u);
  EXPECT_EQ(first.errors.front().code, ErrorCode::kUnavailable);
  EXPECT_NE(first.errors.front().message.find("run the job again"), std::string::npos);
  EXPECT_NE(first.errors.front().message.find("nobody answers"), std::string::npos);
  store_used_ = &store_;
  const Summary again = load({"*"});
  EXPECT_TRUE(again.errors.empty());
  EXPECT_EQ(again.objects_skipped, 1u);
}

// Fails as a store that is away: after it has been waited for.
template <class T>
Task<Result<T>> fail_later() {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor,
                                  std::chrono::milliseconds(20));
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return fail(ErrorCode::kUnavailable, "nobody answers");
}

// Many blocks are under way when the store goes away. It is waited for once, and told of once.
TEST_F(PipelineTest, BlocksUnderWayDoNotWaitForALostStoreOneAfterTheOther) {
  options_.block_bytes = 512;
  std::string text;
  for (int version = 0; version < 50; ++version) {
    for (ProductId id = 0; id < 20; ++id) text += line(id, std::to_string(version));
  }
  fetch_->put("a", text);
  std::atomic<int> calls = 0;
  mock::ProductService away(store_);
  store_used_ = &away;
  threads_ = 2;

  // Each block replaces what the one before it was to write.
  away.save_many_fn = [&calls](std::span<const ProductView>, WriteTime, std::span<bool>) {
    ++calls;
    return fail_later<void>();
  };
  EXPECT_EQ(load({"a"}).errors.size(), 1u);
  EXPECT_EQ(calls.exchange(0), 1);

  // Each block has to be told of to the caches.
  mock::ProductService deaf(store_);
  store_used_ = &deaf;
  cache_used_ = nullptr;
  deaf.disown_caches_fn = [&calls] {
    ++calls;
    return fail_later<std::string>();
  };
  EXPECT_EQ(load({"a"}).errors.size(), 1u);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(titles().empty());
}

// What of a truncation that nobody had noted is seen depends on the nodes that answer. It was
// before the run wrote anything, and is noted then.
TEST_F(PipelineTest, ATruncationNotedBeforeTheFirstWriteIsNoneDuringTheRun) {
  fetch_->put("a", line(1, "one"));
  mock::ProductService noting(store_);
  bool noted = false;
  noting.incarnation_fn = [&noted] {
    return mock::ready<std::string>(noted ? "table\nof two nodes\ncaches b"
                                          : "table\nof three nodes\ncaches a");
  };
  noting.disown_caches_fn = [&noted] {
    noted = true;
    return mock::ready<std::string>("table\nof two nodes\ncaches b");
  };
  store_used_ = &noting;
  cache_used_ = nullptr;
  EXPECT_TRUE(load({"a"}).errors.empty());
  EXPECT_TRUE(noted);
}

TEST_F(PipelineTest, AStoreThatMayNotNoteItsCacheIsAWarning) {
  mock::ProductService refusing(store_);
  refusing.trust_cache_fn = [](std::string_view) {
    return mock::ready<std::string>(fail(ErrorCode::kUnauthorized, "no MODIFY permission"));
  };
  store_used_ = &refusing;
  fetch_->put("a", line(1, "one"));
  const Summary first = load({"a"});
  EXPECT_TRUE(first.errors.empty());
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_.front().find("no MODIFY permission"), std::string::npos);
  EXPECT_EQ(load({"a"}).objects_skipped, 1u);
}

TEST_F(PipelineTest, ADryRunChangesNothingOfTheStore) {
  fetch_->put("a", line(1, "one"));
  mock::ProductService asked(store_);
  asked.trust_cache_fn = [](std::string_view) {
    return mock::ready<std::string>(fail(ErrorCode::kInternal, "a dry run notes nothing"));
  };
  store_used_ = &asked;
  options_.dry_run = true;
  const Summary summary = load({"a"});
  EXPECT_TRUE(summary.errors.empty());
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(summary.counts.added, 1u);
}

}  // namespace
}  // namespace dataflow::pipeline
