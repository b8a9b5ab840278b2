// Goal: the rules of a load hold, whatever the order in which blocks are worked on: the table
// equals the files, nothing is written that is not new or changed, and bad lines are kept.
#include "dataflow/pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/mock/cache.h"
#include "dataflow/pipeline/pipeline_fixture.h"
#include "dataflow/pipeline/row.h"

namespace dataflow::pipeline {
namespace {

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
  EXPECT_EQ(again.objects_skipped, 0u) << "only f2 itself can say that it still has the row";
  EXPECT_EQ(again.counts.superseded, 1u);
  EXPECT_EQ(again.counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "from f2"}, {2, "zwei"}}));
}

// An unchanged object is known to be stored; what its versions before had and it has no more, is
// not in it.
TEST_F(PipelineTest, ARowThatMovesToAnEarlierFileIsWritten) {
  for (const std::size_t room : {options_.deferred_bytes, std::size_t{0}}) {
    options_.deferred_bytes = room;
    fetch_->put("a", line(2, "two"));
    fetch_->put("b", line(1, "old") + line(3, "three"));
    load({"*"});
    fetch_->put("b", line(3, "three"));
    EXPECT_EQ(load({"*"}).counts.written, 0u);
    fetch_->put("a", line(1, "moved") + line(2, "two"));
    const Summary moved = load({"*"});
    EXPECT_EQ(moved.counts.written, 1u);
    EXPECT_EQ(moved.counts.superseded, 0u);
    EXPECT_EQ(titles(), (Titles{{1, "moved"}, {2, "two"}, {3, "three"}}));
    load({"*"});
    EXPECT_EQ(load({"*"}).objects_skipped, 2u) << "it comes to rest";
  }
}

TEST_F(PipelineTest, ARowThatBothFilesHadIsThatOfTheOneThatKeptIt) {
  fetch_->put("a", line(1, "same"));
  fetch_->put("b", line(1, "same") + line(3, "three"));
  load({"*"});
  fetch_->put("b", line(3, "three"));
  load({"*"});
  fetch_->put("a", line(1, "new"));
  EXPECT_EQ(load({"*"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "new"}, {3, "three"}}));
}

// b is read because of a, and what it says is compared with what c holds, which was skipped, too.
TEST_F(PipelineTest, WhatIsReadAfterAllMayWantOthers) {
  fetch_->put("a", "");
  fetch_->put("b", line(1, "old"));
  fetch_->put("c", line(1, "newest") + line(2, "two"));
  load({"*"});
  fetch_->put("c", line(2, "two"));
  load({"*"});
  fetch_->put("a", line(2, "zwei"));
  const Summary summary = load({"*"});
  EXPECT_TRUE(summary.errors.empty());
  EXPECT_EQ(titles(), (Titles{{1, "old"}, {2, "two"}}));
}

struct Evolution {
  std::size_t threads;
  std::size_t page;  // of the listing
  bool room;         // for rows that wait
  std::uint32_t seed;
};

class FilesThatEvolve : public PipelineTest, public testing::WithParamInterface<Evolution> {
 protected:
  using File = std::vector<std::pair<ProductId, std::string>>;  // lines

  // Some lines come, go, change, or move to another file with what they say; or a file goes, or is
  // only touched.
  void evolve() {
    const std::string& name = names_[pick(names_.size())];
    if (pick(12) == 0) {
      files_.erase(name);
      fetch_->remove(name);
      return;
    }
    File& file = files_[name];
    for (std::size_t changes = pick(4); changes > 0; --changes) {
      const auto id = static_cast<ProductId>(pick(20));
      const std::size_t what = pick(4);
      if (what == 0 && !file.empty()) {
        file.erase(file.begin() + static_cast<std::ptrdiff_t>(pick(file.size())));
      } else if (what == 1 && !files_.empty()) {
        const File& other =
            std::next(files_.begin(), static_cast<std::ptrdiff_t>(pick(files_.size())))->second;
        if (!other.empty()) file.push_back(File::value_type(other[pick(other.size())]));
      } else {
        file.emplace_back(id, "title " + std::to_string(++titles_made_));
      }
    }
    std::string text;
    for (const auto& [id, title] : file) text += line(id, title);
    fetch_->put(name, text);
  }

  // The last line of the last file that has the id.
  Titles expected() const {
    Titles expected;
    for (const auto& [name, file] : files_) {
      for (const auto& [id, title] : file) expected[id] = title;
    }
    return expected;
  }

  // Rows that are in no file any more stay in the table, and are nobody's.
  Titles stored() {
    const Titles wanted = expected();
    Titles stored = titles();
    std::erase_if(stored, [&](const auto& row) { return !wanted.contains(row.first); });
    return stored;
  }

  std::size_t pick(std::size_t count) { return random_() % count; }

  const std::vector<std::string> names_{"f1", "f2", "f3", "f4", "f5"};
  std::map<std::string, File> files_;
  std::mt19937 random_{GetParam().seed};
  std::size_t titles_made_ = 0;
};

TEST_P(FilesThatEvolve, AreTheTableAfterEachRun) {
  threads_ = GetParam().threads;
  fetch_->page = GetParam().page;
  if (!GetParam().room) options_.deferred_bytes = 0;
  for (int day = 0; day < 300; ++day) {
    for (std::size_t changes = 1 + pick(2); changes > 0; --changes) evolve();
    const Summary summary = load({"*"});
    ASSERT_TRUE(summary.errors.empty()) << summary.errors[0].describe();
    ASSERT_EQ(stored(), expected()) << "day " << day;
    if (pick(3) > 0) continue;
    const Summary again = load({"*"});
    if (GetParam().room) {
      ASSERT_EQ(again.counts.written, 0u) << "day " << day;
    }
    ASSERT_EQ(stored(), expected()) << "day " << day;
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, FilesThatEvolve,
                         testing::Values(Evolution{1, 1000, true, 1}, Evolution{1, 1000, false, 2},
                                         Evolution{1, 1, true, 3}, Evolution{1, 2, false, 4},
                                         Evolution{4, 1000, true, 5}, Evolution{4, 1, true, 6},
                                         Evolution{4, 1, true, 7}, Evolution{4, 2, false, 8}));

TEST_F(PipelineTest, FilesThatOverlapComeToRestAlsoWithoutRoomToWait) {
  options_.deferred_bytes = 0;
  std::string a = "broken\n", b;
  for (ProductId id = 0; id < 100; ++id) {
    a += line(id, "from a");
    b += line(id, "from b");
  }
  fetch_->put("a", a);
  fetch_->put("b", b);
  load({"*"});
  fetch_->put("a", a + line(1'000, "one more"));
  for (const std::uint64_t written : {1u, 0u}) {
    const Summary summary = load({"*"});
    EXPECT_EQ(summary.counts.written, written);
    EXPECT_EQ(summary.counts.lines, 202u) << "a was read twice, and is counted once";
    EXPECT_EQ(summary.counts.superseded, 100u);
    EXPECT_EQ(summary.counts.rejected, 1u);
    EXPECT_EQ(content(options_.rejects), "broken\n");
    EXPECT_EQ(titles().at(7), "from b");
    EXPECT_EQ(titles().at(1'000), "one more");
  }
}

TEST_F(PipelineTest, ADryRunTellsWhatARunWouldDoWhereFilesOverlap) {
  fetch_->put("a", line(1, "from a"));
  fetch_->put("b", line(1, "from b") + line(2, "two"));
  load({"*"});
  options_.dry_run = true;
  const Summary dry = load({"*"});
  EXPECT_EQ(dry.counts.changed, 0u);
  EXPECT_EQ(dry.counts.superseded, 1u);
}

// A file that was loaded before and is gone when its neighbours are listed once more.
TEST_F(PipelineTest, ASourceThatCannotBeListedAgainIsToldAndTheRestIsWritten) {
  fetch_->put("a", line(1, "from a"));
  fetch_->put("b", line(1, "from b"));
  fetch_->put("c", line(3, "three"));
  load({"a", "b", "c"});
  fetch_->put("a", line(1, "new") + line(2, "two"));
  fetch_->before_read = [this](const Object&, std::uint64_t) -> Result<void> {
    fetch_->remove("c");
    return {};
  };
  const Summary summary = load({"a", "b", "c"});
  EXPECT_EQ(summary.errors.size(), 1u);
  EXPECT_EQ(titles(), (Titles{{1, "from b"}, {2, "two"}, {3, "three"}}));
}

TEST_F(PipelineTest, AWantedFileThatIsNotListedAnyMoreDoesNotHoldUpTheRun) {
  fetch_->put("a", line(1, "one"));
  fetch_->put("b", line(1, "from b"));
  load({"*"});
  fetch_->put("a", line(1, "new"));
  fetch_->before_read = [this](const Object&, std::uint64_t) -> Result<void> {
    fetch_->remove("b");
    return {};
  };
  load({"*"});
  EXPECT_EQ(titles(), (Titles{{1, "from b"}})) << "b was there when the run began";
  EXPECT_EQ(load({"*"}).counts.written, 1u);
  EXPECT_EQ(titles(), (Titles{{1, "new"}}));
}

TEST_F(PipelineTest, ACacheOfAnotherMappingIsNotAsked) {
  std::string asked;
  mock::Cache cache(cache_);
  cache.open_fn = [&](std::string_view incarnation, Cache::Mode mode) {
    asked = incarnation;
    return cache_.open(incarnation, mode);
  };
  cache_used_ = &cache;
  fetch_->put("a", line(1, "one"));
  load({"a"});
  EXPECT_NE(asked.find("\nmapping " + std::string(kMappingVersion)), std::string::npos) << asked;
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
  EXPECT_EQ(summary.rejects.lines, options_.rejects);
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

}  // namespace
}  // namespace dataflow::pipeline
