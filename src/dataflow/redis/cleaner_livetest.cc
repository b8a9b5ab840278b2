// Goal: what former incarnations of a table left is removed, step by step, and nothing else. Each
// test has a redis-server of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataflow/redis/encoding.h"
#include "dataflow/redis/faults_testing.h"

namespace dataflow::redis {
namespace {

TEST(LiveCleaning, RemovesWhatOldIncarnationsLeftAndNothingElse) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  constexpr std::size_t kOld = 5'000;
  Cache old(redis.options());
  for (const char* incarnation : {"table\nA", "table\nB", "table\nC"}) {
    ASSERT_TRUE(open(old, incarnation));
    ASSERT_EQ(remember_many(old, 0, kOld), 0);
    ASSERT_TRUE(run(old.begin_object(kA)));
  }
  Cache neighbour(redis.options());
  ASSERT_TRUE(open(neighbour, "another table\nA"));
  ASSERT_EQ(remember_many(neighbour, 0, 100), 0);
  admin({"SET", "dataflow", "somebody else's"});

  Cache cache(redis.options());
  ASSERT_TRUE(open(cache, "table\nD"));
  ASSERT_EQ(remember_many(cache, 0, 200), 0);
  // Left: two pointers, two registries, the rows of two caches, and the stranger.
  EXPECT_TRUE(eventually([&] { return find(cache, 1) && admin({"DBSIZE"}) == "305"; }))
      << admin({"DBSIZE"});
  EXPECT_EQ(admin({"HLEN", registry_key("table\nD")}), "1");
  EXPECT_EQ(find(cache, 199), stored(1, kNow));
  EXPECT_EQ(find(neighbour, 99), stored(1, kNow));
  expect_error(find(old, 1), ErrorCode::kUnavailable, "emptied");
}

TEST(LiveCleaning, GoesOnWithTheNextJob) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  {
    Cache old(redis.options());
    ASSERT_TRUE(open(old, "table\nA"));
    ASSERT_EQ(remember_many(old, 0, 3'000), 0);
  }
  // Each of them has time for one step only.
  int jobs = 0;
  EXPECT_TRUE(eventually([&] {
    Cache cache(redis.options());
    ++jobs;
    return open(cache, "table\nB") && find(cache, 1) && admin({"DBSIZE"}) == "2";
  }));
  EXPECT_GT(jobs, 2);
  EXPECT_LT(jobs, 20);
  // The last step may be the next job's.
  EXPECT_TRUE(eventually([&] {
    Cache cache(redis.options());
    return open(cache, "table\nB") && find(cache, 1) &&
           admin({"HLEN", registry_key("table\n")}) == "1";
  }));
}

TEST(LiveCleaning, OfAnIncarnationThatComesBackFindsItEmpty) {
  OwnRedis redis;
  Cache first(redis.options());
  ASSERT_TRUE(open(first, "table\nA"));
  ASSERT_EQ(remember(first, 1, stored(1, kNow)), 0);
  Cache second(redis.options());
  ASSERT_TRUE(open(second, "table\nB"));  // removes nothing yet
  ASSERT_TRUE(open(first, "table\nA"));
  EXPECT_EQ(find(first, 1), CacheEntry{});
}

}  // namespace
}  // namespace dataflow::redis
