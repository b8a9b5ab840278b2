// Goal: the embedded cache keeps the contract of cache.h, survives what its database survives, and
// is empty when it cannot be trusted.
#include "dataflow/rocksdb/cache.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <random>

#include "dataflow/mock/cache_contract.h"
#include "dataflow/mock/memory_cache.h"
#include "dataflow/rocksdb/entry_codec.h"
#include "dataflow/rocksdb/product_service.h"
#include "dataflow/rocksdb/test_support.h"

namespace dataflow::mock {
namespace {

// With its database, and the folder of that.
class CacheInAFolder : public dataflow::Cache {
 public:
  CacheInAFolder() {
    rocksdb::Options options;
    options.path = dir_ / "db";
    cache_.emplace(*rocksdb::Database::open(options));
  }
  Task<Result<std::string>> identity() override { return cache_->identity(); }
  Task<Result<void>> open(std::string_view incarnation, Mode mode) override {
    return cache_->open(incarnation, mode);
  }
  Task<Result<void>> find(std::span<const ProductId> ids, std::span<CacheEntry> entries) override {
    return cache_->find(ids, entries);
  }
  Task<Result<WriteTime>> forget(std::span<const ProductId> ids, Making making,
                                 WriteTime time) override {
    return cache_->forget(ids, making, time);
  }
  Task<Result<std::size_t>> remember(std::span<const ProductId> ids,
                                     std::span<const CacheEntry> entries, Making making) override {
    return cache_->remember(ids, entries, making);
  }
  Task<Result<std::vector<bool>>> find_objects(std::span<const Object> objects) override {
    return cache_->find_objects(objects);
  }
  Task<Result<std::string>> begin_object(ObjectId object) override {
    return cache_->begin_object(object);
  }
  Task<Result<bool>> end_object(const Object& object, std::string_view token) override {
    return cache_->end_object(object, token);
  }
  Task<Result<bool>> still_trustworthy() override { return cache_->still_trustworthy(); }

 private:
  const rocksdb::testing::TempDir dir_;
  std::optional<rocksdb::Cache> cache_;
};

INSTANTIATE_TEST_SUITE_P(Embedded, CacheContract, testing::Values(CacheContractParam{[] {
                           return std::make_unique<CacheInAFolder>();
                         }}));

}  // namespace
}  // namespace dataflow::mock

namespace dataflow::rocksdb {
namespace {

using mock::wait;
using testing::TempDir;

// Entries are kept by hash: only this way an iterator sees them all.
::rocksdb::ReadOptions whole_family() {
  ::rocksdb::ReadOptions options;
  options.total_order_seek = true;
  return options;
}

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open(bool read_only = false) {
    cache_.reset();
    database_.reset();
    Options options;
    options.path = dir_ / "db";
    options.read_only = read_only;
    auto opened = Database::open(options);
    ASSERT_TRUE(opened) << opened.error().describe();
    database_ = *opened;
    cache_.emplace(database_);
    const auto mode = read_only ? Cache::Mode::kReadOnly : Cache::Mode::kReadWrite;
    ASSERT_TRUE(wait(cache_->open("incarnation", mode)));
  }
  static CacheEntry stored(std::uint64_t content, WriteTime time, ObjectId owner) {
    return {CacheEntry::State::kStored, false, {content, ~content}, time, owner};
  }
  void remember(ProductId id, const CacheEntry& entry) {
    const ProductId ids[] = {id};
    const CacheEntry entries[] = {entry};
    ASSERT_EQ(*wait(cache_->remember(ids, entries, kNoObject)), 0u);
  }
  Result<CacheEntry> find(ProductId id) {
    const ProductId ids[] = {id};
    CacheEntry entries[1];
    auto found = wait(cache_->find(ids, entries));
    if (!found) return std::unexpected(found.error());
    return entries[0];
  }
  bool has_record(const Object& object) { return (*wait(cache_->find_objects({&object, 1})))[0]; }
  // How many entries and records of any namespace the database holds.
  std::size_t count(Family family) {
    const std::unique_ptr<::rocksdb::Iterator> entry(
        database_->db().NewIterator(whole_family(), database_->family(family)));
    std::size_t entries = 0;
    for (entry->SeekToFirst(); entry->Valid(); entry->Next()) ++entries;
    return entries;
  }

  const TempDir dir_;
  std::shared_ptr<Database> database_;
  std::optional<Cache> cache_;
};

TEST_F(CacheTest, IsThereWhenTheDatabaseIsOpenedAgain) {
  const Object object{"/x", 1, "v"};
  remember(1, stored(5, 6, object_id("/x")));
  const auto token = wait(cache_->begin_object(object_id("/x")));
  ASSERT_TRUE(*wait(cache_->end_object(object, *token)));
  open();
  EXPECT_EQ(*find(1), stored(5, 6, object_id("/x")));
  EXPECT_TRUE(has_record(object));
  open(/*read_only=*/true);
  EXPECT_EQ(*find(1), stored(5, 6, object_id("/x")));
  EXPECT_TRUE(has_record(object));
  EXPECT_EQ(find(2)->state, CacheEntry::State::kAbsent);
}

TEST_F(CacheTest, ATokenOutlivesTheProcessThatBeganTheObject) {
  const Object object{"/x", 1, "v"};
  const auto token = wait(cache_->begin_object(object_id("/x")));
  open();
  EXPECT_TRUE(*wait(cache_->end_object(object, *token)));
}

TEST_F(CacheTest, EntriesOfAnOldIncarnationAreDeleted) {
  for (ProductId id = 0; id < 100; ++id) remember(id, stored(1, 1, 1));
  ASSERT_TRUE(wait(cache_->begin_object(1)));
  ASSERT_TRUE(wait(cache_->open("another")));
  EXPECT_EQ(count(Family::kRows), 0u);
  EXPECT_EQ(count(Family::kObjects), 0u);
  remember(7, stored(2, 2, 2));
  ASSERT_TRUE(wait(cache_->open("another")));
  EXPECT_EQ(count(Family::kRows), 1u);
}

TEST_F(CacheTest, ADatabaseThatMayHaveLostWritesHasAnEmptyCache) {
  remember(1, stored(1, 1, 1));
  ASSERT_TRUE(database_->begin_epoch());
  ASSERT_TRUE(wait(cache_->open("incarnation")));
  EXPECT_EQ(find(1)->state, CacheEntry::State::kAbsent);
}

TEST_F(CacheTest, IsEmptyAfterTheStoreBesideItDisownedItsCaches) {
  ProductService store(database_);
  ASSERT_TRUE(wait(cache_->open(*wait(store.incarnation()))));
  remember(1, stored(1, 1, 1));
  ASSERT_TRUE(wait(store.disown_caches()));
  ASSERT_TRUE(wait(cache_->open(*wait(store.incarnation()))));
  EXPECT_EQ(find(1)->state, CacheEntry::State::kAbsent);
}

TEST_F(CacheTest, DamagedEntriesAndRecordsAreErrors) {
  remember(1, stored(1, 1, 1));
  ASSERT_TRUE(wait(cache_->begin_object(object_id("/x"))));
  for (const Family family : {Family::kRows, Family::kObjects}) {
    const std::unique_ptr<::rocksdb::Iterator> entry(
        database_->db().NewIterator(whole_family(), database_->family(family)));
    entry->SeekToFirst();
    ASSERT_TRUE(entry->Valid());
    ASSERT_TRUE(database_->db().Put({}, database_->family(family), entry->key(), "\xff").ok());
  }
  const ProductId ids[] = {1};
  const CacheEntry entries[] = {stored(1, 2, 1)};
  EXPECT_EQ(find(1).error().code, ErrorCode::kInternal);
  EXPECT_EQ(wait(cache_->forget(ids, 1, 1)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(wait(cache_->remember(ids, entries, kNoObject)).error().code, ErrorCode::kInternal);
  const Object object{"/x", 1, "v"};
  EXPECT_EQ(wait(cache_->find_objects({&object, 1})).error().code, ErrorCode::kInternal);
  EXPECT_EQ(wait(cache_->end_object(object, "x")).error().code, ErrorCode::kInternal);
}

TEST_F(CacheTest, OurOwnMistakesAreErrors) {
  const ProductId ids[] = {1};
  const CacheEntry dirty[] = {CacheEntry{}};
  EXPECT_EQ(wait(cache_->remember(ids, dirty, kNoObject)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(wait(cache_->remember(ids, {}, kNoObject)).error().code, ErrorCode::kInternal);
  EXPECT_EQ(wait(cache_->find(ids, {})).error().code, ErrorCode::kInternal);
}

TEST_F(CacheTest, OpenedToBeReadItRefusesToBeChanged) {
  open(/*read_only=*/true);
  const ProductId ids[] = {1};
  const CacheEntry entries[] = {stored(1, 2, 1)};
  EXPECT_EQ(wait(cache_->remember(ids, entries, kNoObject)).error().code, ErrorCode::kUnauthorized);
  EXPECT_EQ(wait(cache_->begin_object(1)).error().code, ErrorCode::kUnauthorized);
}

// The same random calls go to this cache and to the one in memory; they always answer the same.
TEST_F(CacheTest, BehavesAsTheReferenceDoes) {
  mock::MemoryCache reference;
  ASSERT_TRUE(wait(reference.open("incarnation")));
  std::mt19937_64 random(3);
  const std::vector<Object> objects = {{"a", 1, "1"}, {"b", 1, "1"}, {"c", 2, "1"}, {"a", 1, "2"}};
  std::vector<std::pair<std::string, std::string>> tokens(objects.size());
  for (int step = 0; step < 3'000; ++step) {
    std::vector<ProductId> ids(1 + random() % 6);  // of few, and some of them twice
    for (ProductId& id : ids) id = static_cast<ProductId>(random() % 12);
    const std::size_t which = random() % objects.size();
    const ObjectId owner = object_id(objects[which].name);
    switch (random() % 6) {
      case 0: {
        const WriteTime time = 1 + step / 20 + static_cast<int>(random() % 8);
        EXPECT_EQ(*wait(cache_->forget(ids, owner, time)),
                  *wait(reference.forget(ids, owner, time)));
        break;
      }
      case 1:
      case 2: {
        std::vector<CacheEntry> entries;
        for (std::size_t i = 0; i < ids.size(); ++i) {
          entries.push_back(
              stored(random() % 3, 1 + step / 20 + static_cast<int>(random() % 8), owner));
          entries.back().repeated = random() % 4 == 0;
        }
        EXPECT_EQ(*wait(cache_->remember(ids, entries, kNoObject)),
                  *wait(reference.remember(ids, entries, kNoObject)));
        break;
      }
      case 3: {
        tokens[which] = {*wait(cache_->begin_object(owner)), *wait(reference.begin_object(owner))};
        break;
      }
      case 4: {
        EXPECT_EQ(*wait(cache_->end_object(objects[which], tokens[which].first)),
                  *wait(reference.end_object(objects[which], tokens[which].second)));
        break;
      }
      default: {
        if (step % 50 == 0) open();
      }
    }
    EXPECT_EQ(*wait(cache_->find_objects(objects)), *wait(reference.find_objects(objects)));
    std::vector<ProductId> all(12);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<ProductId>(i);
    std::vector<CacheEntry> ours(all.size());
    std::vector<CacheEntry> theirs(all.size());
    ASSERT_TRUE(wait(cache_->find(all, ours)));
    ASSERT_TRUE(wait(reference.find(all, theirs)));
    ASSERT_EQ(ours, theirs) << "after step " << step;
  }
}

TEST(EntryCodec, WhatGoesInComesOutAndOtherBytesAreNone) {
  CacheEntry entry{CacheEntry::State::kStored, true, {1, ~0ull}, -5, ~0ull};
  EXPECT_EQ(decode_entry(EntryValue(entry).view()), entry);
  const std::string value(EntryValue(entry).view());
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(decode_entry(value.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(decode_entry(value + "x"), std::nullopt);
  const CacheEntry dirty{CacheEntry::State::kDirty, false, {}, 7, 8};
  EXPECT_EQ(decode_entry(EntryValue(dirty).view()), dirty);

  const ObjectRecord made{"12345678", "version"};
  const ObjectRecord making{"12345678", std::nullopt};
  EXPECT_EQ(decode_record(encode_record(made))->made, made.made);
  EXPECT_EQ(decode_record(encode_record(made))->token, made.token);
  EXPECT_EQ(decode_record(encode_record(making))->made, std::nullopt);
  EXPECT_FALSE(decode_record("short"));
  EXPECT_FALSE(decode_record(encode_record(making) + "x"));
}

TEST(EntryCodec, NoTwoVersionsOfObjectsLookTheSame) {
  EXPECT_EQ(version_of({"a", 1, ""}), "");
  EXPECT_NE(version_of({"a", 1, "1"}), version_of({"a1", std::nullopt, "1"}));
  EXPECT_NE(version_of({"a", 12, "3"}), version_of({"a", 1, "23"}));
  EXPECT_NE(version_of({"a", 1, "1:2"}), version_of({"a", 1, "1"}));
}

}  // namespace
}  // namespace dataflow::rocksdb
