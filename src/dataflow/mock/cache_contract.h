// The contract of cache.h as tests, the same for every Cache. A test program includes this once and
// says what it is to be tried on:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, CacheContract,
//   testing::Values(CacheContractParam{make_empty_cache}));
//
// The function makes an empty cache that was not opened; what it needs lives as long as the cache.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <thread>
#include <vector>

#include "dataflow/cache.h"
#include "dataflow/mock/wait.h"

namespace dataflow::mock {

struct CacheContractParam {
  std::function<std::unique_ptr<dataflow::Cache>()> make;

  friend std::ostream& operator<<(std::ostream& out, const CacheContractParam&) { return out; }
};

class CacheContract : public testing::TestWithParam<CacheContractParam> {
 protected:
  using State = CacheEntry::State;

  void SetUp() override {
    cache_ = GetParam().make();
    ASSERT_TRUE(wait(cache_->open("incarnation a")));
  }

  static CacheEntry stored(std::uint64_t content, WriteTime time, ObjectId owner) {
    return {State::kStored, false, {content, ~content}, time, owner};
  }
  CacheEntry find(ProductId id) {
    const ProductId ids[] = {id};
    CacheEntry entries[1];
    EXPECT_TRUE(wait(cache_->find(ids, entries)));
    return entries[0];
  }
  // How many were not taken.
  std::size_t remember(ProductId id, const CacheEntry& entry, Making making = kNoObject) {
    const ProductId ids[] = {id};
    const CacheEntry entries[] = {entry};
    const auto not_taken = wait(cache_->remember(ids, entries, making));
    EXPECT_TRUE(not_taken) << not_taken.error().describe();
    return not_taken.value_or(0);
  }
  WriteTime forget(std::vector<ProductId> ids, Making making, WriteTime time) {
    const auto newest = wait(cache_->forget(ids, making, time));
    EXPECT_TRUE(newest) << newest.error().describe();
    return newest.value_or(-1);
  }
  bool has_record(const Object& object) {
    const Object objects[] = {object};
    const auto found = wait(cache_->find_objects(objects));
    EXPECT_TRUE(found && found->size() == 1);
    return found && found->at(0);
  }
  bool make_record(const Object& object) {
    const auto token = wait(cache_->begin_object(object_id(object.name)));
    EXPECT_TRUE(token);
    return *wait(cache_->end_object(object, *token));
  }

  const Object object_{"s3://bucket/one", 100, "etag-1"};
  const ObjectId owner_ = object_id(object_.name);
  const ObjectId other_ = object_id("s3://bucket/two");
  std::unique_ptr<dataflow::Cache> cache_;
};

TEST_P(CacheContract, UsedBeforeItIsOpenedItIsAnError) {
  const auto unopened = GetParam().make();
  CacheEntry entries[1];
  const ProductId ids[] = {1};
  EXPECT_FALSE(wait(unopened->find(ids, entries)));
  EXPECT_FALSE(wait(unopened->forget(ids, 1, 1)));
  EXPECT_FALSE(wait(unopened->begin_object(1)));
  EXPECT_FALSE(wait(unopened->still_trustworthy()));
}

TEST_P(CacheContract, AtFirstNothingIsKnown) {
  EXPECT_EQ(find(1), CacheEntry{});
  EXPECT_FALSE(has_record(object_));
  EXPECT_EQ(forget({1, 2}, owner_, 1), 0);
  EXPECT_EQ(find(1), CacheEntry{});
  EXPECT_TRUE(*wait(cache_->still_trustworthy()));
}

TEST_P(CacheContract, WhatWasRememberedIsFoundAsItWas) {
  CacheEntry repeated = stored(7, 1'700'000'000'000'000, owner_);
  repeated.repeated = true;
  EXPECT_EQ(remember(0, stored(1, 1, kNoObject)), 0u);
  EXPECT_EQ(remember(kMaxProductId, stored(~0ull, 2, ~0ull)), 0u);
  EXPECT_EQ(remember(42, repeated), 0u);
  EXPECT_EQ(find(0), stored(1, 1, kNoObject));
  EXPECT_EQ(find(kMaxProductId), stored(~0ull, 2, ~0ull));
  EXPECT_EQ(find(42), repeated);
  EXPECT_EQ(find(43), CacheEntry{});
}

TEST_P(CacheContract, ANewerWriteReplacesAnOlderOneIsNotTaken) {
  EXPECT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  EXPECT_EQ(remember(1, stored(2, 11, owner_)), 0u);
  EXPECT_EQ(find(1), stored(2, 11, owner_));
  EXPECT_EQ(remember(1, stored(3, 10, owner_)), 1u);
  EXPECT_EQ(remember(1, stored(3, 11, owner_)), 1u);
  EXPECT_EQ(find(1), stored(2, 11, owner_));
}

TEST_P(CacheContract, TheSameWriteMayChangeHands) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  EXPECT_EQ(remember(1, stored(1, 10, other_)), 0u);
  EXPECT_EQ(find(1), stored(1, 10, other_));
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, AForgottenRowIsDirtyAndTellsItsTime) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_EQ(remember(2, stored(1, 12, owner_)), 0u);
  EXPECT_EQ(forget({1, 2, 3}, owner_, 11), 12) << "row 2 needs a newer time than 11";
  EXPECT_EQ(find(1).state, State::kDirty);
  EXPECT_EQ(find(1).time, 11);
  EXPECT_EQ(find(1).fingerprint, Fingerprint{});
  EXPECT_EQ(find(2).state, State::kDirty);
  EXPECT_EQ(find(2).time, 12) << "never older than it was";
  EXPECT_EQ(find(3), CacheEntry{});
  EXPECT_EQ(forget({1, 2, 3}, owner_, 13), 12);
  EXPECT_EQ(find(1).time, 13);
  EXPECT_EQ(find(2).time, 13);
}

TEST_P(CacheContract, ADirtyRowTakesTheWriteThatItWaitsForAndNoOlderOne) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  forget({1}, owner_, 11);
  EXPECT_EQ(remember(1, stored(1, 10, owner_)), 1u);
  EXPECT_EQ(remember(1, stored(2, 9, owner_)), 1u);
  EXPECT_EQ(find(1).state, State::kDirty);
  EXPECT_EQ(remember(1, stored(2, 11, owner_)), 0u);
  EXPECT_EQ(find(1), stored(2, 11, owner_));
}

// The later one's write holds in the store, whether it lives to remember it or not.
TEST_P(CacheContract, OfTwoWhoMadeARowDirtyOnlyTheLaterOnesWriteIsTaken) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  EXPECT_EQ(forget({1}, owner_, 11), 10);
  EXPECT_EQ(forget({1}, other_, 12), 11) << "each is told of the other";
  EXPECT_EQ(remember(1, stored(2, 11, owner_)), 1u);
  EXPECT_EQ(find(1).state, State::kDirty);
  EXPECT_EQ(remember(1, stored(3, 12, other_)), 0u);
  EXPECT_EQ(find(1), stored(3, 12, other_));
  EXPECT_EQ(remember(1, stored(2, 11, owner_)), 1u);
}

TEST_P(CacheContract, ARecordIsOfExactlyOneVersion) {
  ASSERT_TRUE(make_record(object_));
  EXPECT_TRUE(has_record(object_));
  EXPECT_FALSE(has_record({object_.name, object_.size, "etag-2"}));
  EXPECT_FALSE(has_record({object_.name, 101, object_.version}));
  EXPECT_FALSE(has_record({object_.name, std::nullopt, object_.version}));
  EXPECT_FALSE(has_record({"s3://bucket/two", object_.size, object_.version}));
  ASSERT_TRUE(make_record({object_.name, object_.size, "etag-2"}));
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, AnObjectWithoutAVersionHasNoRecord) {
  const Object stream{"-", std::nullopt, ""};
  const auto token = wait(cache_->begin_object(object_id(stream.name)));
  ASSERT_TRUE(token);
  EXPECT_TRUE(wait(cache_->end_object(stream, *token)));
  EXPECT_FALSE(has_record(stream));
}

TEST_P(CacheContract, ARecordThatIsBeingMadeIsNone) {
  ASSERT_TRUE(make_record(object_));
  ASSERT_TRUE(wait(cache_->begin_object(owner_)));
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, AForeignTokenMakesNoRecord) {
  EXPECT_FALSE(*wait(cache_->end_object(object_, "never given")));
  ASSERT_TRUE(wait(cache_->begin_object(owner_)));
  EXPECT_FALSE(*wait(cache_->end_object(object_, "never given")));
  EXPECT_FALSE(*wait(cache_->end_object(object_, "")));
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, ARowTakenByAnotherTakesTheRecordWithIt) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  EXPECT_EQ(remember(1, stored(2, 11, other_)), 0u);
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, ARowTakenByAnotherStopsARecordThatIsBeingMade) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  const auto token = wait(cache_->begin_object(owner_));
  ASSERT_TRUE(token);
  EXPECT_EQ(remember(1, stored(2, 11, other_)), 0u);
  EXPECT_FALSE(*wait(cache_->end_object(object_, *token)));
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, ARowThatIsNotTakenTakesNothingWithIt) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  EXPECT_EQ(remember(1, stored(2, 9, other_)), 1u);
  EXPECT_TRUE(has_record(object_));
}

TEST_P(CacheContract, ARowMadeDirtyByAnotherTakesTheRecordWithIt) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  forget({1}, other_, 11);
  EXPECT_FALSE(has_record(object_));

  const auto token = wait(cache_->begin_object(owner_));
  ASSERT_EQ(remember(1, stored(3, 12, owner_)), 0u);
  forget({1}, other_, 13);
  EXPECT_FALSE(*wait(cache_->end_object(object_, *token)));
}

TEST_P(CacheContract, AnObjectsOwnWritesLeaveItsRecordAlone) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  const auto token = wait(cache_->begin_object(owner_));
  ASSERT_TRUE(token);
  const Making making(owner_, *token);
  forget({1}, making, 11);
  ASSERT_EQ(remember(1, stored(2, 11, owner_), making), 0u);
  ASSERT_EQ(remember(1, stored(3, 12, owner_), making), 0u);
  EXPECT_TRUE(*wait(cache_->end_object(object_, *token)));
  EXPECT_TRUE(has_record(object_));
}

// Two jobs read two versions of one object: what the slower one writes is not in the version that
// the other one's record vouches for.
TEST_P(CacheContract, ARowOfAnotherVersionTakesTheRecordOfItsObjectWithIt) {
  for (const bool dirty : {true, false}) {
    ASSERT_EQ(remember(1, stored(1, dirty ? 10 : 20, owner_)), 0u);
    const auto slower = wait(cache_->begin_object(owner_));
    const auto faster = wait(cache_->begin_object(owner_));
    ASSERT_TRUE(slower && faster);
    ASSERT_TRUE(*wait(cache_->end_object(object_, *faster)));
    ASSERT_TRUE(has_record(object_));
    if (dirty) {
      forget({1}, {owner_, *slower}, 11);
    } else {
      ASSERT_EQ(remember(1, stored(2, 21, owner_), {owner_, *slower}), 0u);
    }
    EXPECT_FALSE(has_record(object_)) << dirty;
  }
}

TEST_P(CacheContract, ARowOfAnotherVersionStopsTheRecordOfItsObjectThatIsBeingMade) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  const auto slower = wait(cache_->begin_object(owner_));
  const auto faster = wait(cache_->begin_object(owner_));
  ASSERT_TRUE(slower && faster);
  forget({1}, {owner_, *slower}, 11);
  EXPECT_FALSE(*wait(cache_->end_object(object_, *faster)));
  EXPECT_FALSE(has_record(object_));
}

TEST_P(CacheContract, TheSameRowRememberedAgainTakesNothingWithIt) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  EXPECT_TRUE(has_record(object_));
}

TEST_P(CacheContract, HasOneIdentityOpenOrNot) {
  const auto open = wait(cache_->identity());
  ASSERT_TRUE(open) << open.error().describe();
  EXPECT_FALSE(open->empty());
  ASSERT_TRUE(wait(cache_->open("incarnation b")));
  EXPECT_EQ(*wait(cache_->identity()), *open);
}

TEST_P(CacheContract, OpenedForAnotherIncarnationItIsEmpty) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  ASSERT_TRUE(wait(cache_->open("incarnation b")));
  EXPECT_EQ(find(1), CacheEntry{});
  EXPECT_FALSE(has_record(object_));
  EXPECT_EQ(forget({1}, owner_, 1), 0);
  EXPECT_EQ(remember(1, stored(2, 1, other_)), 0u);
  EXPECT_EQ(find(1), stored(2, 1, other_));
}

TEST_P(CacheContract, OpenedAgainItHasWhatItHad) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  ASSERT_TRUE(wait(cache_->open("incarnation a")));
  EXPECT_EQ(find(1), stored(1, 10, owner_));
  EXPECT_TRUE(has_record(object_));
}

TEST_P(CacheContract, OpenedToBeReadItChangesNothing) {
  ASSERT_EQ(remember(1, stored(1, 10, owner_)), 0u);
  ASSERT_TRUE(make_record(object_));
  ASSERT_TRUE(wait(cache_->open("incarnation b", dataflow::Cache::Mode::kReadOnly)));
  EXPECT_EQ(find(1), CacheEntry{});
  EXPECT_FALSE(has_record(object_));
  ASSERT_TRUE(wait(cache_->open("incarnation a", dataflow::Cache::Mode::kReadOnly)));
  EXPECT_EQ(find(1), stored(1, 10, owner_));
  EXPECT_TRUE(has_record(object_));
}

TEST_P(CacheContract, ManyRowsInOneCallAreEachTheirOwn) {
  constexpr std::size_t kRows = 2'500;
  std::vector<ProductId> ids;
  std::vector<CacheEntry> entries;
  for (std::size_t i = 0; i < kRows; ++i) {
    ids.push_back(static_cast<ProductId>(i * 7919 % 100'003));  // in no order
    entries.push_back(stored(i, static_cast<WriteTime>(i + 1), owner_));
  }
  EXPECT_EQ(*wait(cache_->remember(ids, entries, kNoObject)), 0u);
  std::vector<CacheEntry> found(kRows);
  ASSERT_TRUE(wait(cache_->find(ids, found)));
  EXPECT_EQ(found, entries);
  EXPECT_EQ(forget(ids, other_, kRows + 1), static_cast<WriteTime>(kRows));
  ASSERT_TRUE(wait(cache_->find(ids, found)));
  for (const CacheEntry& entry : found) ASSERT_EQ(entry.state, State::kDirty);
}

TEST_P(CacheContract, NothingAskedIsNothingAnswered) {
  EXPECT_TRUE(wait(cache_->find({}, {})));
  EXPECT_EQ(*wait(cache_->remember({}, {}, kNoObject)), 0u);
  EXPECT_EQ(*wait(cache_->forget({}, owner_, 1)), 0);
  EXPECT_TRUE(wait(cache_->find_objects({}))->empty());
}

// Each of several writers remembers all rows, in another order of times: the newest of each row
// stands.
TEST_P(CacheContract, OfConcurrentWritersTheNewestStands) {
  constexpr std::size_t kWriters = 4;
  constexpr std::size_t kRows = 200;
  std::vector<ProductId> ids(kRows);
  for (std::size_t i = 0; i < kRows; ++i) ids[i] = static_cast<ProductId>(i);
  {
    std::vector<std::jthread> writers;
    for (std::size_t writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer] {
        for (std::size_t round = 0; round < 5; ++round) {
          std::vector<CacheEntry> entries(kRows);
          for (std::size_t i = 0; i < kRows; ++i) {
            const std::size_t time = 1 + round * kWriters + (writer + i) % kWriters;
            entries[i] = stored(time, static_cast<WriteTime>(time), writer + 1);
          }
          EXPECT_TRUE(wait(cache_->remember(ids, entries, kNoObject)));
        }
      });
    }
  }
  std::vector<CacheEntry> found(kRows);
  ASSERT_TRUE(wait(cache_->find(ids, found)));
  constexpr std::uint64_t kNewest = 5 * kWriters;
  for (std::size_t i = 0; i < kRows; ++i) {
    EXPECT_EQ(found[i].time, static_cast<WriteTime>(kNewest));
    EXPECT_EQ(found[i].fingerprint[0], kNewest);
    EXPECT_EQ((found[i].owner - 1 + i) % kWriters, kWriters - 1);
  }
}

}  // namespace dataflow::mock
