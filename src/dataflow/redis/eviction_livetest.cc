// Goal: a server that evicts keys makes no record of an object worth more than it is. Each test has
// a redis-server of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "dataflow/redis/encoding.h"
#include "dataflow/redis/faults_testing.h"

namespace dataflow::redis {
namespace {

// Makes the server evict keys, and sure that it did.
void make_it_evict(RawRedis& admin) {
  const std::string value(10'000, 'x');
  admin({"CONFIG", "SET", "maxmemory-policy", "allkeys-random"});
  for (int i = 0; i < 50; ++i) admin({"SET", "other" + std::to_string(i), value});
  const std::string used(info_field(admin({"INFO", "memory"}), "used_memory"));
  admin({"CONFIG", "SET", "maxmemory", std::to_string(std::stoull(used) - 100'000)});
  ASSERT_TRUE(eventually([&] {
    admin({"SET", "other", value});
    return info_field(admin({"INFO", "stats"}), "evicted_keys") != "0";
  }));
  admin({"CONFIG", "SET", "maxmemory", "0"});
}

// A record of one object and what it takes to see whether it is believed.
class LiveEviction : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(open(*cache_));
    token_ = begin();
  }
  std::string begin() {
    const auto token = run(cache_->begin_object(object_id("o")));
    EXPECT_TRUE(token);
    return token.value_or("");
  }
  void make() { ASSERT_EQ(run(cache_->end_object(object_, token_)), true); }
  // To a job that begins now. Evictions may take the witness, and with it all: then there is no
  // record.
  bool known() {
    Cache next(redis_.options());
    EXPECT_TRUE(open(next));
    const auto found = run(next.find_objects(std::span(&object_, 1)));
    EXPECT_TRUE(found) << found.error().describe();
    EXPECT_EQ(run(next.still_trustworthy()), true);
    return found && found->at(0);
  }
  // Protects the cache's own keys from eviction, so that only the counter tells.
  void evict_others() {
    const auto kept = admin_.keys("dataflow:*");
    std::vector<std::string> dumps;
    for (const std::string& key : kept) dumps.push_back(admin_({"DUMP", key}));
    make_it_evict(admin_);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      admin_({"RESTORE", kept[i], "0", dumps[i], "REPLACE"});
    }
  }

  OwnRedis redis_;
  RawRedis admin_{redis_.addr()};
  const Object object_{"o", 1, "v"};
  std::optional<Cache> cache_{redis_.options()};
  std::string token_;
};

TEST_F(LiveEviction, MakesRecordsOfBeforeWorthless) {
  make();
  EXPECT_TRUE(known());
  evict_others();
  EXPECT_EQ(admin_.keys("dataflow:*:o*").size(), 1) << "the record itself is still there";
  EXPECT_FALSE(known());
  EXPECT_EQ(run(cache_->still_trustworthy()), false);
  EXPECT_EQ(run(cache_->find_objects(std::span(&object_, 1))), std::vector<bool>{false});
}

TEST_F(LiveEviction, WhileARecordIsMadeUndoesIt) {
  evict_others();
  EXPECT_EQ(run(cache_->end_object(object_, token_)), false);
  EXPECT_FALSE(known());
}

TEST_F(LiveEviction, BeforeARecordIsBegunDoesNotHarmIt) {
  evict_others();
  token_ = begin();
  make();
  EXPECT_TRUE(known());
}

TEST_F(LiveEviction, IsNotHiddenByAResetOfTheCounters) {
  make();
  evict_others();
  ASSERT_EQ(admin_({"CONFIG", "RESETSTAT"}), "OK");
  ASSERT_EQ(info_field(admin_({"INFO", "stats"}), "evicted_keys"), "0");
  EXPECT_FALSE(known());
}

TEST_F(LiveEviction, OfTheWitnessEndsTheGeneration) {
  make();
  const auto pointers = admin_.keys("dataflow:cache:*");
  ASSERT_EQ(pointers.size(), 1);
  admin_({"DEL", pointers[0]});
  expect_error(find(*cache_, 1), ErrorCode::kUnavailable, "emptied");
  EXPECT_EQ(run(cache_->still_trustworthy()), false);
  EXPECT_FALSE(known());
}

}  // namespace
}  // namespace dataflow::redis
