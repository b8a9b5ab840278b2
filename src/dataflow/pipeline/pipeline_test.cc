// Goal: the rules of a load hold, whatever the order in which blocks are worked on: the table
// equals the files, nothing is written that is not new or changed, bad lines are kept, and the
// cache is advice.
#include "dataflow/pipeline/pipeline.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/this_coro.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>

#include "dataflow/mock/cache.h"
#include "dataflow/mock/memory_cache.h"
#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/memory_store.h"
#include "dataflow/mock/product_service.h"
#include "dataflow/mock/wait.h"
#include "dataflow/pipeline/write_clock.h"

namespace dataflow::pipeline {
namespace {

using mock::MemoryCache;
using mock::MemoryFetch;
using mock::MemoryStore;

// Everything of a run's ids fits in memory in these tests: a spill would be an error.
Result<std::unique_ptr<Occurrences>> no_spill() {
  return fail(ErrorCode::kInternal, "no spill expected");
}

Task<Result<Summary>> run_on_executor(Options options, Pipeline::Parts parts) {
  auto executor = co_await boost::asio::this_coro::executor;
  Pipeline pipeline(std::move(options), std::move(parts), executor);
  auto summary = co_await pipeline.run();
  co_return summary;
}

std::string line(ProductId id, std::string_view title) {
  return "{\"id\":" + std::to_string(id) + ",\"title\":\"" + std::string(title) + "\"}\n";
}

class PipelineTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("pipeline_test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    options_.rejects = (directory_ / "rejects.jsonl").string();
    fetch_ = std::make_shared<MemoryFetch>();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Summary load(std::vector<std::string> sources) {
    Pipeline::Parts parts;
    for (auto& source : sources) parts.sources.push_back({fetch_, std::move(source)});
    parts.store = store_used_;
    parts.cache = cache_used_;
    parts.make_spill = no_spill;
    parts.warn = [this](std::string_view text) {
      std::lock_guard lock(warnings_mutex_);
      warnings_.emplace_back(text);
    };
    auto summary = mock::wait(run_on_executor(options_, std::move(parts)), threads_);
    if (!summary) {
      ADD_FAILURE() << summary.error().describe();
      return {};
    }
    return std::move(*summary);
  }

  std::string content(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::map<ProductId, std::string> titles() {
    std::map<ProductId, std::string> result;
    for (const auto& [id, product] : store_.products()) result[id] = product.title;
    return result;
  }

  std::filesystem::path directory_;
  Options options_;
  std::shared_ptr<MemoryFetch> fetch_;
  MemoryStore store_;
  MemoryCache cache_;
  ProductService* store_used_ = &store_;
  Cache* cache_used_ = &cache_;
  std::size_t threads_ = 1;
  std::mutex warnings_mutex_;
  std::vector<std::string> warnings_;
};

using Titles = std::map<ProductId, std::string>;

TEST_F(PipelineTest, LoadsOnceAndThenOnlyWhatChanged) {
  fetch_->put("a", line(1, "one") + line(2, "two"));
  fetch_->put("b", line(3, "three"));
  const Summary first = load({"*"});
  EXPECT_EQ(first.files, 2u);
  EXPECT_EQ(first.counts.lines, 3u);
  EXPECT_EQ(first.counts.added, 3u);
  EXPECT_EQ(first.counts.written, 3u);
  EXPECT_EQ(first.stop, Stop::kNone);
  EXPECT_EQ(titles(), (Titles{{1, "one"}, {2, "two"}, {3, "three"}}));

  const Summary second = load({"*"});
  EXPECT_EQ(second.objects_skipped, 2u);
  EXPECT_EQ(second.counts.lines, 0u);
  EXPECT_EQ(fetch_->opens("a"), 1u);

  fetch_->put("a", line(1, "one") + line(2, "zwei"));
  const Summary third = load({"*"});
  EXPECT_EQ(third.objects_skipped, 1u);
  EXPECT_EQ(third.counts.unchanged, 1u);
  EXPECT_EQ(third.counts.changed, 1u);
  EXPECT_EQ(third.counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "one"}, {2, "zwei"}, {3, "three"}}));
}

TEST_F(PipelineTest, FewChangedRowsOfManyBlocksAreWrittenTogether) {
  constexpr ProductId kRows = 2'000;  // of each file
  options_.block_bytes = 4096;        // some hundred rows
  // Every hundredth row is of version `version`; one more line gives an id its last version.
  const auto put = [this](const std::string& name, ProductId from, const std::string& version) {
    std::string text;
    for (ProductId id = from; id < from + kRows; ++id) {
      text += line(id, id % 100 == 0 ? version : "always the same");
    }
    fetch_->put(name, text + line(from, version + ", again"));
  };
  for (const std::size_t threads : {1u, 4u}) {
    threads_ = threads;
    put("a", 1, "old");
    put("b", kRows + 1, "old");
    load({"*"});
    put("a", 1, "new");
    put("b", kRows + 1, "new");
    const std::size_t saves = store_.saves();
    const Summary changed = load({"*"});
    EXPECT_LE(store_.saves() - saves, 4u) << "each block wrote its own";
    // Of the ids that stand twice the last lines were written, and nothing else of them.
    EXPECT_EQ(changed.counts.changed, 42u);
    EXPECT_EQ(changed.counts.written, 42u);
    EXPECT_EQ(titles().at(1), "new, again");
    EXPECT_EQ(titles().at(100), "new");
    EXPECT_EQ(titles().at(2 * kRows), "new");
    // The records are made: nothing is left to do.
    const Summary again = load({"*"});
    EXPECT_EQ(again.objects_skipped, 2u);
    EXPECT_EQ(again.counts.lines, 0u);
  }
}

TEST_F(PipelineTest, WhereFewChangedAndNoneMayWaitTheyAreWrittenAtOnce) {
  options_.block_bytes = 4096;
  options_.deferred_bytes = 0;  // there is no room to wait: changed rows are written as they come
  std::string text;
  for (ProductId id = 1; id <= 2'000; ++id) text += line(id, "old");
  fetch_->put("a", text);
  load({"a"});
  fetch_->put("a", text + line(7, "new"));
  const Summary changed = load({"a"});
  EXPECT_EQ(titles().at(7), "new");
  EXPECT_EQ(changed.counts.unchanged + changed.counts.changed + changed.counts.superseded, 2'001u);
}

TEST_F(PipelineTest, AnotherSpellingOfTheSameContentIsUnchanged) {
  fetch_->put("a", "{\"id\":1,\"title\":\"\\u0061\",\"price\":1.50}\n");
  load({"a"});
  fetch_->put("a", "{ \"price\": 15e-1, \"colour\": [1], \"title\": \"a\", \"id\": 1 }\n");
  const Summary again = load({"a"});
  EXPECT_EQ(again.counts.unchanged, 1u);
  EXPECT_EQ(again.counts.written, 0u);
}

TEST_F(PipelineTest, APriceChangedAndChangedBackIsWrittenEachTime) {
  for (const char* title : {"low", "high", "low"}) {
    fetch_->put("a", line(1, title));
    EXPECT_EQ(load({"a"}).counts.written, 1u);
    EXPECT_EQ(titles(), (Titles{{1, title}}));
  }
}

TEST_F(PipelineTest, SetsOfFilesLoadedInTurnEachHoldAfterwards) {
  fetch_->put("x", line(1, "x1") + line(2, "x2"));
  fetch_->put("y", line(1, "y1") + line(2, "y2"));
  for (const char* name : {"x", "y", "x", "y"}) {
    EXPECT_EQ(load({name}).counts.written, 2u) << name;
    EXPECT_EQ(titles(), (Titles{{1, name + std::string("1")}, {2, name + std::string("2")}}));
    EXPECT_EQ(load({name}).objects_skipped, 1u) << name;
  }
}

TEST_F(PipelineTest, TruncatedStoreIsFilledAgain) {
  fetch_->put("a", line(1, "one"));
  load({"a"});
  store_.truncate();
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "one"}}));
}

TEST_F(PipelineTest, AClearedCacheCostsWritesOnly) {
  fetch_->put("a", line(1, "one"));
  load({"a"});
  cache_.clear();
  const Summary again = load({"a"});
  EXPECT_EQ(again.counts.added, 1u);
  EXPECT_EQ(again.counts.written, 1u);
  EXPECT_EQ(load({"a"}).objects_skipped, 1u);
}

TEST_F(PipelineTest, AnEvictedRowMayChangeHandsUnnoticedButNotForLong) {
  fetch_->put("x", line(1, "x"));
  fetch_->put("y", line(1, "y"));
  load({"x"});
  cache_.evict(1);
  load({"y"});
  load({"x"});
  EXPECT_EQ(titles(), (Titles{{1, "x"}}));
}

// Repeated ids: the last line of a file counts, and of several files the one listed last.
struct Repeated {
  std::size_t block_bytes;
  std::size_t threads;
  std::size_t piece;
};
class RepeatedIds : public PipelineTest, public testing::WithParamInterface<Repeated> {};

TEST_P(RepeatedIds, TheLastLineOfTheLastFileCounts) {
  options_.block_bytes = GetParam().block_bytes;
  threads_ = GetParam().threads;
  fetch_->piece = GetParam().piece;
  std::mt19937 random(7);
  Titles expected;
  std::map<std::string, std::string> files{{"f1", ""}, {"f2", ""}, {"f3", ""}};
  for (auto& [name, text] : files) {
    std::vector<ProductId> ids;
    for (int copy = 0; copy < 3; ++copy) {
      for (ProductId id = 0; id < 200; ++id) ids.push_back(id + (name == "f3" ? 100 : 0));
    }
    std::shuffle(ids.begin(), ids.end(), random);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::string title = name + "-" + std::to_string(i);
      text += line(ids[i], title);
      expected[ids[i]] = title;
    }
  }
  for (int round = 0; round < 3; ++round) {
    for (auto& [name, text] : files) fetch_->put(name, text);
    const Summary summary = load({"f3", "f1", "f2"});
    EXPECT_EQ(titles(), expected) << "round " << round;
    EXPECT_EQ(summary.counts.lines, 1800u);
    const Counts& c = summary.counts;
    EXPECT_EQ(c.lines, c.added + c.changed + c.unchanged + c.superseded + c.rejected);
    if (round > 0) {
      EXPECT_EQ(c.written, 0u) << "round " << round;
    }
  }
  EXPECT_EQ(store_.ties(), 0u);
}

INSTANTIATE_TEST_SUITE_P(BlocksAndThreads, RepeatedIds,
                         testing::Values(Repeated{256 * 1024, 1, 64 * 1024}, Repeated{300, 1, 100},
                                         Repeated{300, 4, 100}, Repeated{64, 4, 7},
                                         Repeated{2000, 8, 500}),
                         [](const auto& test) {
                           return "Block" + std::to_string(test.param.block_bytes) + "Threads" +
                                  std::to_string(test.param.threads) + "Piece" +
                                  std::to_string(test.param.piece);
                         });

TEST_F(PipelineTest, WithoutRoomToWaitRepeatedIdsCostWritesButStayRight) {
  options_.block_bytes = 64;
  options_.deferred_bytes = 0;
  threads_ = 4;
  std::string text;
  for (int i = 0; i < 300; ++i) text += line(i % 10, "t" + std::to_string(i));
  for (int round = 0; round < 3; ++round) {
    fetch_->put("a", text);
    load({"a"});
    for (ProductId id = 0; id < 10; ++id) {
      EXPECT_EQ(titles()[id], "t" + std::to_string(290 + id));
    }
  }
}

TEST_F(PipelineTest, ARowThatALaterSkippedFileHoldsStaysItsOwn) {
  fetch_->put("f1", line(1, "from f1") + line(2, "two"));
  fetch_->put("f2", line(1, "from f2"));
  load({"*"});
  fetch_->put("f1", line(1, "from f1, new") + line(2, "zwei"));
  const Summary again = load({"*"});
  EXPECT_EQ(again.objects_skipped, 1u);
  EXPECT_EQ(again.counts.superseded, 1u);
  EXPECT_EQ(again.counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "from f2"}, {2, "zwei"}}));
}

TEST_F(PipelineTest, ARenamedFileTakesItsRowsOver) {
  fetch_->put("old", line(1, "one") + line(2, "two"));
  load({"old"});
  fetch_->put("new", line(1, "one") + line(2, "two"));
  const Summary renamed = load({"new"});
  EXPECT_EQ(renamed.counts.unchanged, 2u);
  EXPECT_EQ(renamed.counts.written, 0u);
  EXPECT_EQ(load({"new"}).objects_skipped, 1u);
  EXPECT_EQ(load({"old"}).objects_skipped, 0u);
}

TEST_F(PipelineTest, BadLinesAreKeptWithPlaceAndReason) {
  fetch_->put("a", line(1, "one") + "{broken\n" + "\n  \r\n" + "{\"id\":-5,\"title\":\"x\"}\r\n" +
                       line(2, "two"));
  const Summary summary = load({"a"});
  EXPECT_EQ(summary.counts.lines, 4u);
  EXPECT_EQ(summary.counts.rejected, 2u);
  EXPECT_EQ(summary.counts.written, 2u);
  EXPECT_TRUE(summary.rejects_written);
  EXPECT_EQ(content(options_.rejects), "{broken\n{\"id\":-5,\"title\":\"x\"}\r\n");
  const std::string reasons = content(options_.rejects + ".reasons");
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), '\n'), 2);
  EXPECT_NE(reasons.find("{\"source\":\"a\",\"line\":2,\"byte\":23,\"reason\":\""),
            std::string::npos)
      << reasons;
  EXPECT_NE(reasons.find("\"line\":5,"), std::string::npos) << reasons;
  // An object with a rejected line is not complete: it is read again.
  EXPECT_EQ(load({"a"}).objects_skipped, 0u);
}

TEST_F(PipelineTest, StopsAfterTheConfiguredNumberOfBadLines) {
  options_.max_errors = 3;
  options_.block_bytes = 64;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "bad line number " + std::to_string(i) + " of many\n";
  fetch_->put("a", text);
  const Summary summary = load({"a"});
  EXPECT_EQ(summary.stop, Stop::kMaxErrors);
  EXPECT_GT(summary.counts.rejected, 3u);
  EXPECT_LT(summary.counts.rejected, 1000u);
}

TEST_F(PipelineTest, BearsExactlyAsManyBadLinesAsConfigured) {
  options_.max_errors = 3;
  fetch_->put("a", "x\ny\nz\n" + line(1, "one"));
  const Summary summary = load({"a"});
  EXPECT_EQ(summary.stop, Stop::kNone);
  EXPECT_EQ(summary.counts.rejected, 3u);
  EXPECT_EQ(summary.counts.written, 1u);
}

TEST_F(PipelineTest, ALineOverTheLimitIsRejectedWhole) {
  options_.max_line_bytes = 1000;
  options_.block_bytes = 256;
  fetch_->piece = 100;
  const std::string much(5000, 'x');
  fetch_->put("a", line(1, "one") + line(7, much) + line(2, "two"));
  const Summary summary = load({"a"});
  EXPECT_EQ(summary.counts.rejected, 1u);
  EXPECT_EQ(summary.counts.lines, 3u);
  EXPECT_EQ(content(options_.rejects), line(7, much));
  EXPECT_EQ(titles(), (Titles{{1, "one"}, {2, "two"}}));
}

// However the pieces of a long line fall on reads and buffers: also where a read fills the buffer
// to its end.
TEST_F(PipelineTest, ALineOverTheLimitEndsAtItsNewlineWhateverTheReads) {
  options_.max_line_bytes = 1000;
  options_.block_bytes = 256;
  const std::string much(3000, 'x');
  for (std::size_t piece : {1u, 7u, 255u, 256u, 257u, 1000u, 100000u}) {
    fetch_->piece = piece;
    std::string text = line(1, "one") + line(7, much);
    for (ProductId id = 100; id < 120; ++id) text += line(id, "after");
    fetch_->put("a", text);
    const Summary summary = load({"a"});
    EXPECT_EQ(summary.counts.rejected, 1u) << piece;
    EXPECT_EQ(summary.counts.lines, 22u) << piece;
    EXPECT_EQ(content(options_.rejects), line(7, much)) << piece;
    EXPECT_NE(content(options_.rejects + ".reasons").find("\"line\":2,\"byte\":23,"),
              std::string::npos)
        << piece;
  }
}

TEST_F(PipelineTest, DryRunTellsAndWritesNothing) {
  fetch_->put("a", line(1, "one") + line(2, "two"));
  load({"a"});
  const auto entries = cache_.entries();
  const std::size_t written = store_.rows_written();
  fetch_->put("a", line(1, "one") + line(2, "zwei") + line(3, "drei") + "bad\n");
  options_.dry_run = true;
  const Summary dry = load({"a"});
  EXPECT_EQ(dry.counts.unchanged, 1u);
  EXPECT_EQ(dry.counts.changed, 1u);
  EXPECT_EQ(dry.counts.added, 1u);
  EXPECT_EQ(dry.counts.rejected, 1u);
  EXPECT_EQ(dry.counts.written, 0u);
  EXPECT_EQ(store_.rows_written(), written);
  EXPECT_EQ(cache_.entries(), entries);
}

TEST_F(PipelineTest, WithoutACacheEveryRowIsWrittenAndOldCachesAreDisowned) {
  fetch_->put("a", line(1, "one"));
  load({"a"});
  fetch_->put("a", line(1, "eins"));
  cache_used_ = nullptr;
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  // Back to the content that the cache still knows: it must not be believed.
  cache_used_ = &cache_;
  fetch_->put("a", line(1, "one"));
  EXPECT_EQ(load({"a"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "one"}}));
}

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

TEST_F(PipelineTest, AByteOrderMarkAndAMissingLastNewlineAreNoErrors) {
  fetch_->put("a", "\xEF\xBB\xBF" + line(1, "one") + "{\"id\":2,\"title\":\"two\"}");
  const Summary summary = load({"a"});
  EXPECT_EQ(summary.counts.rejected, 0u);
  EXPECT_EQ(titles(), (Titles{{1, "one"}, {2, "two"}}));
}

TEST_F(PipelineTest, AStreamIsLoadedAndAlwaysReadAgain) {
  fetch_->put_stream("-", line(1, "one"));
  EXPECT_EQ(load({"-"}).counts.written, 1u);
  const Summary again = load({"-"});
  EXPECT_EQ(again.objects_skipped, 0u);
  EXPECT_EQ(again.counts.unchanged, 1u);
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

TEST_F(PipelineTest, TwoJobsOneAfterTheOtherInterleavedEndAsOneOfThem) {
  // The other job takes row 1 between this job's comparison and its record.
  mock::Cache interleaved(cache_);
  fetch_->put("x", line(1, "x"));
  load({"x"});
  fetch_->put("x", line(1, "x") + line(2, "more"));
  bool other_ran = false;
  interleaved.remember_fn = [&](std::span<const ProductId> ids,
                                std::span<const CacheEntry> entries) -> Task<Result<std::size_t>> {
    return [](MemoryCache& cache, bool& ran, std::vector<ProductId> these,
              std::vector<CacheEntry> those) -> Task<Result<std::size_t>> {
      if (!std::exchange(ran, true)) {
        const std::vector<ProductId> taken{1};
        auto forgotten = co_await cache.forget(taken, object_id("y"), those.front().time + 1);
        if (!forgotten) co_return std::unexpected(forgotten.error());
      }
      auto remembered = co_await cache.remember(these, those);
      co_return remembered;
    }(cache_, other_ran, {ids.begin(), ids.end()}, {entries.begin(), entries.end()});
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

TEST_F(PipelineTest, AStoreThatCannotSayWhetherItWasTruncatedCostsAWarning) {
  fetch_->put("a", line(1, "one"));
  mock::ProductService silent(store_);
  int asked = 0;
  silent.incarnation_fn = [&]() -> Task<Result<std::string>> {
    return [](MemoryStore& store, bool first) -> Task<Result<std::string>> {
      if (!first) co_return fail(ErrorCode::kUnavailable, "nobody answers");
      auto known = co_await store.incarnation();
      co_return known;
    }(store_, asked++ == 0);
  };
  store_used_ = &silent;
  EXPECT_TRUE(load({"*"}).errors.empty());
  EXPECT_EQ(asked, 2);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_.front().find("nobody answers"), std::string::npos);
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
