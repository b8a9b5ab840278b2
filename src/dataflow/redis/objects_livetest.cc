// Goal: every sentence of the contract of objects' records (dataflow/cache.h), against a real
// Redis.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataflow/redis/live_support.h"

namespace dataflow::redis {
namespace {

constexpr WriteTime kNow = 1'790'000'000'000'000;

const Object kFirst{"s3://bucket/first.jsonl", 10, "\"etag-1\" 10"};
const Object kSecond{"s3://bucket/second.jsonl", 20, "\"etag-2\" 20"};

ObjectId id_of(const Object& object) { return object_id(object.name); }

class LiveObjects : public testing::Test {
 protected:
  void SetUp() override {
    const auto addr = shared_redis();
    ASSERT_TRUE(addr);
    addr_ = *addr;
    cache_.emplace(Options{.addr = addr_, .user = {}, .pass = {}});
    const auto opened = run(cache_->open(incarnation_));
    ASSERT_TRUE(opened) << opened.error().describe();
  }
  void TearDown() override {
    if (addr_.empty()) return;
    RawRedis redis(addr_);
    remove_all(redis, incarnation_);
  }

  bool known(const Object& object) {
    const auto found = run(cache_->find_objects(std::span(&object, 1)));
    EXPECT_TRUE(found) << found.error().describe();
    return found && found->at(0);
  }
  std::string begin(const Object& object) {
    const auto token = run(cache_->begin_object(id_of(object)));
    EXPECT_TRUE(token) << token.error().describe();
    return token.value_or("");
  }
  bool end(const Object& object, const std::string& token) {
    const auto made = run(cache_->end_object(object, token));
    EXPECT_TRUE(made) << made.error().describe();
    return made.value_or(false);
  }
  void make(const Object& object) {
    ASSERT_TRUE(end(object, begin(object)));
    ASSERT_TRUE(known(object));
  }
  std::size_t remember(ProductId id, WriteTime time, const Object& owner, std::uint64_t content = 7,
                       std::string_view token = {}) {
    const CacheEntry entry{CacheEntry::State::kStored, false, {content, 1}, time, id_of(owner)};
    const auto refused =
        run(cache_->remember(std::span(&id, 1), std::span(&entry, 1), {id_of(owner), token}));
    EXPECT_TRUE(refused) << refused.error().describe();
    return refused.value_or(99);
  }
  void forget(ProductId id, const Object& owner, std::string_view token = {}) {
    EXPECT_TRUE(run(cache_->forget(std::span(&id, 1), {id_of(owner), token}, kNow + 1)));
  }

  std::string addr_;
  const std::string incarnation_ = unique_incarnation();
  std::optional<Cache> cache_;
};

TEST_F(LiveObjects, AreKnownFromEndToTheNextBeginning) {
  EXPECT_FALSE(known(kFirst));
  const std::string token = begin(kFirst);
  EXPECT_FALSE(known(kFirst)) << "it is only being made";
  EXPECT_TRUE(end(kFirst, token));
  EXPECT_TRUE(known(kFirst));
  EXPECT_FALSE(known(kSecond));
  begin(kFirst);
  EXPECT_FALSE(known(kFirst));
}

TEST_F(LiveObjects, AreKnownInOneVersionOnly) {
  make(kFirst);
  Object changed = kFirst;
  changed.version = "\"etag-3\" 10";
  EXPECT_FALSE(known(changed));
  Object other = kFirst;
  other.name += "2";
  EXPECT_FALSE(known(other));
}

TEST_F(LiveObjects, WithoutAVersionAreNeverKnown) {
  Object stream{"-", std::nullopt, ""};
  EXPECT_TRUE(end(stream, begin(stream)));
  EXPECT_FALSE(known(stream));
}

TEST_F(LiveObjects, OfAnyNumberAreAskedForAtOnce) {
  std::vector<Object> objects;
  for (int i = 0; i < 2'500; ++i) objects.push_back({"o" + std::to_string(i), 1, "v"});
  for (const std::size_t i : {0, 999, 1'000, 2'499}) make(objects[i]);
  const auto found = run(cache_->find_objects(objects));
  ASSERT_TRUE(found);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ((*found)[i], i == 0 || i == 999 || i == 1'000 || i == 2'499) << i;
  }
  const auto none = run(cache_->find_objects({}));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST_F(LiveObjects, LoseTheirRecordWithARow) {
  remember(1, kNow, kFirst);
  make(kFirst);
  make(kSecond);
  EXPECT_EQ(remember(1, kNow + 1, kSecond), 0);
  EXPECT_FALSE(known(kFirst));
  EXPECT_TRUE(known(kSecond));
}

TEST_F(LiveObjects, LoseTheirRecordWithARowOfTheSameContent) {
  remember(1, kNow, kFirst);
  make(kFirst);
  EXPECT_EQ(remember(1, kNow, kSecond), 0);
  EXPECT_FALSE(known(kFirst));
}

TEST_F(LiveObjects, KeepTheirRecordWhenTheirOwnRowIsNewer) {
  remember(1, kNow, kFirst);
  make(kFirst);
  EXPECT_EQ(remember(1, kNow + 1, kFirst), 0);
  EXPECT_TRUE(known(kFirst));
}

TEST_F(LiveObjects, KeepTheirRecordWhenARowIsRefused) {
  remember(1, kNow, kFirst);
  make(kFirst);
  EXPECT_EQ(remember(1, kNow - 1, kSecond), 1);
  EXPECT_EQ(remember(1, kNow, kSecond, 8), 1);
  EXPECT_TRUE(known(kFirst));
}

TEST_F(LiveObjects, LoseTheirRecordWhileItIsBeingMade) {
  remember(1, kNow, kFirst);
  const std::string token = begin(kFirst);
  remember(1, kNow + 1, kSecond);
  EXPECT_FALSE(end(kFirst, token));
  EXPECT_FALSE(known(kFirst));
}

TEST_F(LiveObjects, LoseTheirRecordWhenAnotherForgetsARow) {
  remember(1, kNow, kFirst);
  make(kFirst);
  forget(1, kSecond);
  EXPECT_FALSE(known(kFirst));

  const std::string token = begin(kFirst);
  forget(1, kSecond);  // dirty already: the record goes all the same
  EXPECT_FALSE(end(kFirst, token));
}

TEST_F(LiveObjects, KeepTheirRecordWhenTheyForgetTheirOwnRow) {
  remember(1, kNow, kFirst);
  const std::string token = begin(kFirst);
  forget(1, kFirst, token);
  remember(1, kNow + 1, kFirst, 8, token);
  remember(1, kNow + 2, kFirst, 9, token);
  EXPECT_TRUE(end(kFirst, token));
  EXPECT_TRUE(known(kFirst));
}

TEST_F(LiveObjects, LoseTheirRecordToARowOfAnotherVersionOfThemselves) {
  remember(1, kNow, kFirst);
  std::string slower = begin(kFirst);
  make(kFirst);
  forget(1, kFirst, slower);
  EXPECT_FALSE(known(kFirst));
  slower = begin(kFirst);
  const std::string faster = begin(kFirst);
  remember(1, kNow + 2, kFirst, 9, slower);
  EXPECT_FALSE(end(kFirst, faster));
}

TEST_F(LiveObjects, OfManyRowsLoseTheirRecordsInOneCall) {
  std::vector<ProductId> ids;
  std::vector<CacheEntry> entries;
  std::vector<Object> objects;
  for (int i = 0; i < 1'500; ++i) {
    objects.push_back({"many/" + std::to_string(i), 1, "v"});
    ids.push_back(i);
    entries.push_back({CacheEntry::State::kStored, false, {1, 1}, kNow, id_of(objects.back())});
  }
  ASSERT_EQ(run(cache_->remember(ids, entries, kNoObject)), 0);
  for (int i = 0; i < 1'500; i += 100) make(objects[static_cast<std::size_t>(i)]);
  make(kFirst);
  for (CacheEntry& entry : entries) entry.owner = id_of(kFirst);
  ASSERT_EQ(run(cache_->remember(ids, entries, kNoObject)), 0);
  EXPECT_EQ(run(cache_->find_objects(objects)), std::vector<bool>(objects.size()));
  EXPECT_TRUE(known(kFirst));
}

TEST_F(LiveObjects, OfTwoBeginningsTheLastHolds) {
  const std::string first = begin(kFirst);
  const std::string second = begin(kFirst);
  EXPECT_NE(first, second);
  EXPECT_FALSE(end(kFirst, first));
  EXPECT_TRUE(end(kFirst, second));
  EXPECT_TRUE(known(kFirst));
}

TEST_F(LiveObjects, AreMadeOnceByOneBeginning) {
  const std::string token = begin(kFirst);
  EXPECT_TRUE(end(kFirst, token));
  EXPECT_TRUE(end(kFirst, token)) << "a repeated call, after its answer got lost, is no other";
  begin(kFirst);
  EXPECT_FALSE(end(kFirst, token));
}

TEST_F(LiveObjects, AreNotMadeWithATokenOfAnothersOrOfNobody) {
  const std::string token = begin(kSecond);
  begin(kFirst);
  EXPECT_FALSE(end(kFirst, token));
  EXPECT_EQ(run(cache_->end_object(kFirst, "nonsense")), false);
}

TEST_F(LiveObjects, OfOneTableAreNotThoseOfAnother) {
  make(kFirst);
  const std::string other_table = unique_incarnation();
  Cache other({.addr = addr_, .user = {}, .pass = {}});
  ASSERT_TRUE(run(other.open(other_table)));
  EXPECT_EQ(run(other.find_objects(std::span(&kFirst, 1))), std::vector<bool>{false});
  RawRedis redis(addr_);
  remove_all(redis, other_table);
}

TEST_F(LiveObjects, OfACalmServerAreTrustworthy) {
  make(kFirst);
  EXPECT_EQ(run(cache_->still_trustworthy()), true);
  Cache later({.addr = addr_, .user = {}, .pass = {}});
  ASSERT_TRUE(run(later.open(incarnation_)));
  EXPECT_EQ(run(later.find_objects(std::span(&kFirst, 1))), std::vector<bool>{true});
}

}  // namespace
}  // namespace dataflow::redis
