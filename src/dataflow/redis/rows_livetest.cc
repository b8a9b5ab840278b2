// Goal: every sentence of the contract of rows (dataflow/cache.h), against a real Redis.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/thread_pool.hpp>
#include <future>
#include <map>
#include <numeric>
#include <random>

#include "dataflow/redis/encoding.h"
#include "dataflow/redis/live_support.h"

namespace dataflow::redis {
namespace {

constexpr ObjectId kA = 0xa000'0000'0000'0001;
constexpr ObjectId kB = 0x0b;
constexpr WriteTime kNow = 1'790'000'000'000'000;

CacheEntry stored(std::uint64_t content, WriteTime time, ObjectId owner = kA) {
  return {CacheEntry::State::kStored, false, {content, ~content}, time, owner};
}

CacheEntry dirty(WriteTime time, ObjectId owner = kA) {
  return {CacheEntry::State::kDirty, false, {}, time, owner};
}

class LiveRows : public testing::Test {
 protected:
  void SetUp() override {
    const auto addr = shared_redis();
    ASSERT_TRUE(addr);
    addr_ = *addr;
    // A busy machine is not what these tests are about.
    cache_.emplace(Options{.addr = addr_, .user = {}, .pass = {}, .response_timeout_ms = 60'000});
    const auto opened = run(cache_->open(incarnation_));
    ASSERT_TRUE(opened) << opened.error().describe();
  }
  void TearDown() override {
    if (addr_.empty()) return;
    RawRedis redis(addr_);
    remove_all(redis, incarnation_);
  }

  // What every test of these needs to succeed.
  std::size_t remember(std::vector<ProductId> ids, std::vector<CacheEntry> entries) {
    const auto refused = run(cache_->remember(ids, entries, kNoObject));
    EXPECT_TRUE(refused) << refused.error().describe();
    return refused.value_or(~std::size_t{0});
  }
  std::vector<CacheEntry> find(std::vector<ProductId> ids) {
    std::vector<CacheEntry> entries(ids.size(), dirty(-1));
    const auto found = run(cache_->find(ids, entries));
    EXPECT_TRUE(found) << found.error().describe();
    return entries;
  }
  // At time 0: dirty with the time that they have.
  WriteTime forget(std::vector<ProductId> ids, ObjectId owner = kA, WriteTime time = 0) {
    const auto newest = run(cache_->forget(ids, owner, time));
    EXPECT_TRUE(newest) << newest.error().describe();
    return newest.value_or(-1);
  }

  std::string addr_;
  const std::string incarnation_ = unique_incarnation();
  std::optional<Cache> cache_;
};

using testing::Each;
using testing::ElementsAre;

TEST_F(LiveRows, AreAbsentUntilRemembered) {
  EXPECT_THAT(find({0, 1, kMaxProductId}), Each(CacheEntry{}));
  EXPECT_THAT(find({}), ElementsAre());
}

TEST_F(LiveRows, AreFoundAsTheyWereRemembered) {
  const CacheEntry extreme{
      CacheEntry::State::kStored, true, {~0ULL, ~0ULL}, kMaxProductId, ~ObjectId{0}};
  EXPECT_EQ(remember({0, 1, kMaxProductId}, {stored(1, kNow), stored(2, 0, kNoObject), extreme}),
            0);
  EXPECT_THAT(find({kMaxProductId, 5, 0, 1, 0}),
              ElementsAre(extreme, CacheEntry{}, stored(1, kNow), stored(2, 0, kNoObject),
                          stored(1, kNow)));
}

TEST_F(LiveRows, NewerReplacesAndOlderIsRefused) {
  // Where a comparison of doubles, of text, of signed or of single bytes would go wrong.
  const std::vector<std::pair<WriteTime, WriteTime>> pairs{
      {0, 1},
      {9, 10},
      {0x7f, 0x80},
      {0xff, 0x100},
      {0x7fff'ffff, 0x8000'0000},
      {0xffff'ffff, 0x1'0000'0000},
      {0x1'ffff'fffe, 0x2'0000'0001},
      {(1LL << 53), (1LL << 53) + 1},
      {kNow, kNow + 1},
      {kMaxProductId - 1, kMaxProductId},
  };
  for (ProductId id = 0; const auto& [older, newer] : pairs) {
    EXPECT_EQ(remember({id}, {stored(1, older)}), 0);
    EXPECT_EQ(remember({id}, {stored(2, newer)}), 0) << newer;
    EXPECT_EQ(remember({id}, {stored(1, older)}), 1) << older;
    EXPECT_THAT(find({id++}), ElementsAre(stored(2, newer)));
  }
}

TEST_F(LiveRows, OfTheSameTimeAreRefusedUnlessTheContentIsTheSame) {
  remember({1}, {stored(1, kNow)});
  EXPECT_EQ(remember({1}, {stored(2, kNow)}), 1);
  EXPECT_EQ(remember({1}, {stored(1, kNow)}), 0);
  EXPECT_EQ(remember({1}, {stored(1, kNow, kB)}), 0);
  EXPECT_THAT(find({1}), ElementsAre(stored(1, kNow, kB)));
  CacheEntry repeated = stored(1, kNow, kB);
  repeated.repeated = true;
  EXPECT_EQ(remember({1}, {repeated}), 0);
  EXPECT_THAT(find({1}), ElementsAre(repeated));
}

TEST_F(LiveRows, OfOneCallAreTakenOrRefusedOneByOne) {
  remember({1, 2, 3}, {stored(1, kNow), stored(1, kNow), stored(1, kNow)});
  EXPECT_EQ(remember({1, 2, 3, 4}, {stored(2, kNow - 1), stored(2, kNow + 1), stored(2, kNow),
                                    stored(2, kNow - 1)}),
            2);
  EXPECT_THAT(find({1, 2, 3, 4}), ElementsAre(stored(1, kNow), stored(2, kNow + 1), stored(1, kNow),
                                              stored(2, kNow - 1)));
}

TEST_F(LiveRows, ForgottenAreDirtyWithTheirTimeAndOwner) {
  CacheEntry repeated = stored(2, kNow + 5, kB);
  repeated.repeated = true;
  remember({1, 2}, {stored(1, kNow), repeated});
  EXPECT_EQ(forget({1, 2}), kNow + 5);
  EXPECT_THAT(find({1, 2}), ElementsAre(dirty(kNow), dirty(kNow + 5, kB)));
  EXPECT_EQ(forget({2, 1}), kNow + 5);
  EXPECT_THAT(find({1, 2}), ElementsAre(dirty(kNow), dirty(kNow + 5, kB)));
}

TEST_F(LiveRows, ForgottenTakeTheTimeOfTheComingWriteWhereItIsNewer) {
  // Where a comparison of doubles, of text, of signed or of single bytes would go wrong.
  const std::vector<WriteTime> times{
      1, 0x80, 0xff, 0x100, 0x8000'0000, 0x1'0000'0000, (1LL << 53) + 1, kNow, kMaxProductId};
  for (ProductId id = 0; const WriteTime time : times) {
    remember({id}, {stored(1, time - 1)});
    EXPECT_EQ(forget({id}, kA, time), time - 1);
    EXPECT_THAT(find({id}), ElementsAre(dirty(time)));
    EXPECT_EQ(forget({id}, kB, time - 1), time);
    EXPECT_THAT(find({id}), ElementsAre(dirty(time)));
    EXPECT_EQ(remember({id}, {stored(2, time - 1)}), 1);
    EXPECT_EQ(remember({id}, {stored(2, time)}), 0);
    EXPECT_THAT(find({id++}), ElementsAre(stored(2, time)));
  }
}

TEST_F(LiveRows, ForgottenTellTheNewestTimeToTheMicrosecond) {
  remember({1, 2, 3}, {stored(1, (1LL << 53) + 1), stored(1, 1), stored(1, 0xffff'ffff)});
  EXPECT_EQ(forget({1, 2, 3}), (1LL << 53) + 1);
  EXPECT_EQ(forget({2, 3}), 0xffff'ffff);
  EXPECT_EQ(forget({2}), 1);
}

TEST_F(LiveRows, AbsentAreNotForgotten) {
  EXPECT_EQ(forget({1, 2}), 0);
  EXPECT_EQ(forget({}), 0);
  EXPECT_THAT(find({1, 2}), Each(CacheEntry{}));
}

TEST_F(LiveRows, ForgottenRefuseWhatIsOlderThanTheComingWrite) {
  remember({1}, {stored(1, kNow)});
  forget({1}, kA, kNow + 1);
  EXPECT_EQ(remember({1}, {stored(1, kNow - 1)}), 1);
  EXPECT_EQ(remember({1}, {stored(1, kNow)}), 1) << "what the store holds is not known";
  EXPECT_THAT(find({1}), ElementsAre(dirty(kNow + 1)));
  EXPECT_EQ(remember({1}, {stored(2, kNow + 1)}), 0);
  EXPECT_THAT(find({1}), ElementsAre(stored(2, kNow + 1)));
}

TEST_F(LiveRows, OfABrokenEntryAreNewRows) {
  remember({1}, {stored(1, kNow)});
  RawRedis redis(addr_);
  const auto pointer =
      pointer_key(incarnation_, std::string(info_field(redis({"INFO"}), "run_id")));
  const std::string key = row_prefix(redis({"GET", pointer})) + "1";
  ASSERT_EQ(redis({"SET", key, "rubbish"}), "OK");
  EXPECT_THAT(find({1}), ElementsAre(CacheEntry{}));
  EXPECT_EQ(forget({1}), 0);
  EXPECT_EQ(remember({1}, {stored(2, 1)}), 0);
  EXPECT_THAT(find({1}), ElementsAre(stored(2, 1)));
}

TEST_F(LiveRows, AHundredThousandInOneCall) {
  constexpr std::size_t kCount = 100'000;
  std::vector<ProductId> ids(kCount);
  std::iota(ids.begin(), ids.end(), 1);
  std::vector<CacheEntry> entries;
  for (const ProductId id : ids) entries.push_back(stored(static_cast<std::uint64_t>(id), kNow));
  EXPECT_EQ(remember(ids, entries), 0);
  EXPECT_EQ(find(ids), entries);

  // Every tenth is older than what is there.
  std::vector<CacheEntry> later = entries;
  for (std::size_t i = 0; i < kCount; ++i) later[i].time += i % 10 == 0 ? -1 : 1;
  EXPECT_EQ(remember(ids, later), kCount / 10);
  for (std::size_t i = 0; i < kCount; i += 10) later[i] = entries[i];
  EXPECT_EQ(find(ids), later);

  EXPECT_EQ(forget(ids), kNow + 1);
  for (CacheEntry& entry : later) entry = dirty(entry.time);
  EXPECT_EQ(find(ids), later);
}

TEST_F(LiveRows, OfAnotherIncarnationAreInvisible) {
  const std::string other_table = unique_incarnation();
  Cache other({.addr = addr_, .user = {}, .pass = {}});
  ASSERT_TRUE(run(other.open(other_table)));
  const std::vector<ProductId> ids{1};
  const std::vector<CacheEntry> entries{stored(1, kNow)};
  EXPECT_EQ(run(other.remember(ids, entries, kNoObject)), 0);
  EXPECT_THAT(find({1}), ElementsAre(CacheEntry{}));
  RawRedis redis(addr_);
  remove_all(redis, other_table);
}

TEST_F(LiveRows, AreSharedByCachesOfTheSameIncarnation) {
  Cache other({.addr = addr_, .user = {}, .pass = {}});
  ASSERT_TRUE(run(other.open(incarnation_)));
  const std::vector<ProductId> ids{1};
  const std::vector<CacheEntry> entries{stored(1, kNow)};
  EXPECT_EQ(run(other.remember(ids, entries, kNoObject)), 0);
  EXPECT_THAT(find({1}), ElementsAre(stored(1, kNow)));
}

TEST_F(LiveRows, OfACacheThatIsTruncatedAreGoneAtOnce) {
  remember({1}, {stored(1, kNow)});
  Cache other({.addr = addr_, .user = {}, .pass = {}});
  const std::string truncated = incarnation_ + "2";  // the same table
  ASSERT_TRUE(run(other.open(truncated)));
  std::vector<CacheEntry> entries(1);
  const std::vector<ProductId> ids{1};
  ASSERT_TRUE(run(other.find(ids, entries)));
  EXPECT_THAT(entries, ElementsAre(CacheEntry{}));
  // Whoever has the one of before is told, and what comes after it is empty.
  EXPECT_EQ(run(cache_->find(ids, entries)).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(run(cache_->open(incarnation_)));
  EXPECT_THAT(find({1}), ElementsAre(CacheEntry{}));
}

TEST_F(LiveRows, AreReadByACacheOpenedForReading) {
  remember({1}, {stored(1, kNow)});
  Cache reader({.addr = addr_, .user = {}, .pass = {}});
  ASSERT_TRUE(run(reader.open(incarnation_, Cache::Mode::kReadOnly)));
  std::vector<ProductId> ids{1, 2};
  std::vector<CacheEntry> entries(2);
  ASSERT_TRUE(run(reader.find(ids, entries)));
  EXPECT_THAT(entries, ElementsAre(stored(1, kNow), CacheEntry{}));
  EXPECT_EQ(run(reader.still_trustworthy()), true);
  EXPECT_EQ(run(reader.remember(ids, entries, kNoObject)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(reader.forget(ids, kA, 1)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(reader.begin_object(kA)).error().code, ErrorCode::kInternal);
}

TEST_F(LiveRows, AreAllAbsentWhereThereIsNothingToRead) {
  const std::string nothing = unique_incarnation();
  RawRedis redis(addr_);
  Cache reader({.addr = addr_, .user = {}, .pass = {}});
  ASSERT_TRUE(run(reader.open(nothing, Cache::Mode::kReadOnly)));
  std::vector<ProductId> ids{1, 2};
  std::vector<CacheEntry> entries(2, dirty(1));
  ASSERT_TRUE(run(reader.find(ids, entries)));
  EXPECT_THAT(entries, Each(CacheEntry{}));
  const std::vector<Object> objects(3, Object{"a", 1, "1"});
  EXPECT_EQ(run(reader.find_objects(objects)), std::vector<bool>(3));
  EXPECT_EQ(run(reader.still_trustworthy()), true);
  EXPECT_EQ(redis({"EXISTS", registry_key(nothing)}), "0") << "open() itself changed something";
}

TEST_F(LiveRows, AreNotForThoseWhoMistakeTheInterface) {
  std::vector<ProductId> ids{1, 2};
  std::vector<CacheEntry> one(1, stored(1, kNow));
  std::vector<CacheEntry> two{stored(1, kNow), dirty(kNow)};
  EXPECT_EQ(run(cache_->find(ids, one)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(cache_->remember(ids, one, kNoObject)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(cache_->remember(ids, two, kNoObject)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(cache_->open("")).error().code, ErrorCode::kInternal);
  Cache closed({.addr = addr_, .user = {}, .pass = {}});
  EXPECT_EQ(run(closed.find(ids, two)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(closed.forget(ids, kA, 1)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(closed.remember({}, {}, kNoObject)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(run(closed.still_trustworthy()).error().code, ErrorCode::kInternal);
}

// The contract once more, in as few words as possible.
class Model {
 public:
  std::size_t remember(ProductId id, const CacheEntry& now) {
    CacheEntry& was = rows_[id];
    const bool same = was.time == now.time && (was.state == CacheEntry::State::kDirty ||
                                               was.fingerprint == now.fingerprint);
    if (was.state != CacheEntry::State::kAbsent && now.time <= was.time && !same) return 1;
    was = now;
    return 0;
  }
  WriteTime forget(ProductId id, WriteTime time) {
    CacheEntry& was = rows_[id];
    const WriteTime before = was.time;
    if (was.state != CacheEntry::State::kAbsent) was = dirty(std::max(before, time), was.owner);
    return before;
  }
  CacheEntry find(ProductId id) { return rows_[id]; }

 private:
  std::map<ProductId, CacheEntry> rows_;
};

TEST_F(LiveRows, DoWhatTheModelDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  Model model;
  for (int round = 0; round < 400; ++round) {
    std::vector<ProductId> ids;
    for (ProductId id = 0; id < 60; ++id) {
      if (random() % 4 == 0) ids.push_back(id);
    }
    if (random() % 3 == 0) {
      WriteTime newest = 0;
      const WriteTime time = kNow + static_cast<WriteTime>(random() % 20);
      for (const ProductId id : ids) newest = std::max(newest, model.forget(id, time));
      EXPECT_EQ(forget(ids, kB, time), newest);
    } else {
      std::vector<CacheEntry> entries;
      std::size_t refused = 0;
      for (const ProductId id : ids) {
        entries.push_back(stored(random() % 3, kNow + static_cast<WriteTime>(random() % 20),
                                 random() % 2 == 0 ? kA : kB));
        refused += model.remember(id, entries.back());
      }
      EXPECT_EQ(remember(ids, entries), refused);
    }
    const auto found = find(ids);
    for (std::size_t i = 0; i < ids.size(); ++i) ASSERT_EQ(found[i], model.find(ids[i])) << ids[i];
  }
}

// One of many concurrent jobs on the same rows.
Task<void> write(Cache& cache, ProductId first, WriteTime time) {
  std::vector<ProductId> ids(50);
  std::iota(ids.begin(), ids.end(), first);
  std::vector<CacheEntry> entries(ids.size(), stored(static_cast<std::uint64_t>(time), time));
  auto remembered = co_await cache.remember(ids, entries, kNoObject);
  EXPECT_TRUE(remembered);
  auto found = co_await cache.find(ids, entries);
  EXPECT_TRUE(found);
  for (const CacheEntry& entry : entries) {
    EXPECT_GE(entry.time, time);
    EXPECT_EQ(entry.fingerprint, stored(static_cast<std::uint64_t>(entry.time), 0).fingerprint);
  }
}

TEST_F(LiveRows, TakeAThousandConcurrentCallsAndTheNewestHolds) {
  constexpr int kCalls = 1'000;
  {
    boost::asio::thread_pool threads(4);
    std::vector<std::future<void>> calls;
    for (int i = 0; i < kCalls; ++i) {
      // In no order: 617 and kCalls have no common divisor.
      calls.push_back(boost::asio::co_spawn(threads, write(*cache_, 0, kNow + i * 617 % kCalls),
                                            boost::asio::use_future));
    }
    for (auto& call : calls) call.get();
    threads.join();
  }
  std::vector<ProductId> ids(50);
  std::iota(ids.begin(), ids.end(), 0);
  constexpr WriteTime kNewest = kNow + kCalls - 1;
  EXPECT_THAT(find(ids), Each(stored(static_cast<std::uint64_t>(kNewest), kNewest)));
}

}  // namespace
}  // namespace dataflow::redis
