// Goal: a server that fills up, pauses, loses connections, restarts or is emptied fails calls in
// time, and nothing that is not known any more is told as known. Each test has a redis-server of
// its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <future>

#include "dataflow/redis/encoding.h"
#include "dataflow/redis/faults_testing.h"
#include "dataflow/redis/link.h"

namespace dataflow::redis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(LiveServer, ThatIsFullIsUnavailableForWritesOnly) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  Cache cache(redis.options());
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  const auto token = run(cache.begin_object(kA));
  ASSERT_TRUE(token);
  ASSERT_EQ(admin({"CONFIG", "SET", "maxmemory", "1"}), "OK");  // noeviction
  expect_error(remember(cache, 2, stored(1, kNow)), ErrorCode::kUnavailable, "full");
  expect_error(remember(cache, 1, stored(2, kNow + 1)), ErrorCode::kUnavailable, "full");
  const ProductId id = 1;
  expect_error(run(cache.forget(std::span(&id, 1), {kA, *token}, kNow + 2)),
               ErrorCode::kUnavailable, "full");
  expect_error(run(cache.begin_object(kA)), ErrorCode::kUnavailable, "full");
  EXPECT_EQ(find(cache, 1), stored(1, kNow));
  Cache fresh(redis.options());
  expect_error(open(fresh, "other\n1"), ErrorCode::kUnavailable, "full");

  ASSERT_EQ(admin({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  EXPECT_EQ(remember(cache, 2, stored(1, kNow)), 0);
  EXPECT_EQ(run(cache.still_trustworthy()), true);
}

// Of a server that is paused. The same client asks it before and afterwards: then it answers in
// this time, also on a busy machine.
constexpr std::uint32_t kPausedTimeoutMs = 1'000;
constexpr std::chrono::seconds kBusy{10};  // the machine's, over what has to be waited for

TEST(LiveServer, ThatIsPausedFailsCallsInTimeAndComesBack) {
  OwnRedis redis;
  Options options = redis.options();
  options.response_timeout_ms = kPausedTimeoutMs;
  options.connect_timeout_ms = kPausedTimeoutMs;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  Cache late(options);

  redis.pause();
  const auto start = std::chrono::steady_clock::now();
  expect_error(find(cache, 1), ErrorCode::kUnavailable, "did not answer within 1000 ms");
  expect_error(remember(cache, 2, stored(1, kNow)), ErrorCode::kUnavailable, "did not answer");
  expect_error(open(late), ErrorCode::kUnavailable, "did not answer");
  const auto elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_GE(elapsed, std::chrono::milliseconds(3 * kPausedTimeoutMs));
  EXPECT_LT(elapsed, std::chrono::milliseconds(3 * kPausedTimeoutMs) + kBusy) << "three calls";

  redis.resume();
  EXPECT_TRUE(eventually([&] {
    const auto found = find(cache, 1);
    return found && *found == stored(1, kNow);
  }));
  EXPECT_EQ(run(cache.still_trustworthy()), true);
  EXPECT_TRUE(open(late));
}

// Counts the calls that failed as they should.
Task<void> find_one(Cache& cache, std::atomic<int>& unavailable) {
  const ProductId id = 1;
  CacheEntry entry;
  auto found = co_await cache.find(std::span(&id, 1), std::span(&entry, 1));
  if (!found && found.error().code == ErrorCode::kUnavailable) ++unavailable;
}

int unavailable_of(Cache& cache, int count) {
  std::atomic<int> unavailable = 0;
  boost::asio::thread_pool threads(4);
  std::vector<std::future<void>> calls;
  for (int i = 0; i < count; ++i) {
    calls.push_back(
        boost::asio::co_spawn(threads, find_one(cache, unavailable), boost::asio::use_future));
  }
  for (auto& call : calls) call.get();
  threads.join();
  return unavailable;
}

TEST(LiveServer, ThatIsPausedFailsAThousandCallsInTheSameTime) {
  OwnRedis redis;
  Options options = redis.options();
  options.response_timeout_ms = kPausedTimeoutMs;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  redis.pause();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(unavailable_of(cache, 1'000), 1'000);
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            std::chrono::milliseconds(kPausedTimeoutMs) + kBusy);
  redis.resume();
  EXPECT_TRUE(eventually([&] { return find(cache, 1).has_value(); }));
}

TEST(LiveConnection, ThatIsLostIsReplacedByTheNextCall) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  Cache cache(redis.options());
  ASSERT_TRUE(open(cache));
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(remember(cache, round, stored(1, kNow)), 0) << "round " << round;
    ASSERT_EQ(admin({"CLIENT", "KILL", "TYPE", "normal"}), "1");
    EXPECT_EQ(find(cache, round), stored(1, kNow)) << "round " << round;
  }
  EXPECT_EQ(run(cache.still_trustworthy()), true);
}

TEST(LiveConnection, ThatIsLostIsReplacedOnceForManyCalls) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  Cache cache(redis.options());
  ASSERT_TRUE(open(cache));
  const auto connections = [&] {
    return std::stoi(
        std::string(info_field(admin({"INFO", "stats"}), "total_connections_received")));
  };
  const int before = connections();
  ASSERT_EQ(admin({"CLIENT", "KILL", "TYPE", "normal"}), "1");
  EXPECT_EQ(unavailable_of(cache, 200), 0);
  EXPECT_EQ(connections(), before + 1);
}

TEST(LiveConnection, ThatWasReplacedIsDroppedByTheServer) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  Link before(redis.options());
  Link after(redis.options());
  ASSERT_TRUE(run(before.connect()));
  ASSERT_TRUE(run(after.connect()));
  EXPECT_EQ(before.run_id(), after.run_id());
  EXPECT_THAT(admin({"CLIENT", "LIST"}), HasSubstr("id=" + before.connection_id() + " "));
  run(after.fence(before.connection_id()));
  EXPECT_THAT(admin({"CLIENT", "LIST"}), AllOf(Not(HasSubstr("id=" + before.connection_id() + " ")),
                                               HasSubstr("id=" + after.connection_id() + " ")));
  Commands ping;
  ping.command("PING");
  EXPECT_TRUE(run(after.call(ping)));
  EXPECT_FALSE(run(before.call(ping)));
  EXPECT_FALSE(before.connected());
}

TEST(LiveConnection, IsNotTriedAgainDuringThePause) {
  OwnRedis redis;
  Options options = redis.options();
  options.reconnect_pause_ms = 60'000;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  redis.kill();
  expect_error(find(cache, 1), ErrorCode::kUnavailable, redis.addr());
  redis.start();
  expect_error(find(cache, 1), ErrorCode::kUnavailable, "cannot connect");
  EXPECT_TRUE(open(cache)) << "open() tries in every case";
}

TEST(LiveServer, ThatRestartsBeginsWithAnEmptyCache) {
  OwnRedis redis({"--save", "3600 1000000"});  // reads its snapshot, writes none by itself
  const Object object{"o", 1, "v"};
  Cache cache(redis.options());
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  const auto token = run(cache.begin_object(object_id("o")));
  ASSERT_TRUE(token);
  ASSERT_EQ(run(cache.end_object(object, *token)), true);
  {
    RawRedis admin(redis.addr());
    ASSERT_EQ(admin({"SAVE"}), "OK");
  }
  // The store holds something else from here on.
  ASSERT_EQ(remember(cache, 1, stored(2, kNow + 1)), 0);
  redis.kill();
  expect_error(find(cache, 1), ErrorCode::kUnavailable, redis.addr());
  redis.start();
  {
    RawRedis admin(redis.addr());
    ASSERT_EQ(admin({"DBSIZE"}), "4") << "the snapshot is there: row, record, pointer, registry";
  }
  expect_error(find(cache, 1), ErrorCode::kUnavailable, "restarted");
  expect_error(remember(cache, 2, stored(1, kNow)), ErrorCode::kUnavailable, "restarted");
  EXPECT_EQ(run(cache.still_trustworthy()), false);

  Cache next(redis.options());
  for (Cache* opened : {&next, &cache}) {
    ASSERT_TRUE(open(*opened));
    EXPECT_EQ(find(*opened, 1), CacheEntry{});
    EXPECT_EQ(run(opened->find_objects(std::span(&object, 1))), std::vector<bool>{false});
    EXPECT_EQ(run(opened->still_trustworthy()), true);
  }
  // What the snapshot brought back is removed.
  RawRedis admin(redis.addr());
  EXPECT_TRUE(eventually([&] { return find(next, 1) && admin({"DBSIZE"}) == "2"; }));
}

TEST(LiveServer, ThatIsEmptiedTellsThoseWhoHadItOpen) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  const Object object{"o", 1, "v"};
  Cache cache(redis.options());
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  const auto token = run(cache.begin_object(object_id("o")));
  ASSERT_TRUE(token);
  ASSERT_EQ(admin({"FLUSHALL"}), "OK");
  EXPECT_EQ(run(cache.end_object(object, *token)), false);
  EXPECT_EQ(run(cache.still_trustworthy()), false);
  expect_error(find(cache, 1), ErrorCode::kUnavailable, "emptied");
  ASSERT_TRUE(open(cache));
  EXPECT_EQ(find(cache, 1), CacheEntry{});
  EXPECT_EQ(run(cache.still_trustworthy()), true);
}

TEST(LiveServer, ThatIsEmptiedDoesNotKeepWhatCameLate) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  Cache late(redis.options());
  ASSERT_TRUE(open(late));
  ASSERT_EQ(admin({"FLUSHALL"}), "OK");
  Cache next(redis.options());
  ASSERT_TRUE(open(next));
  // The row has been written by another since: the late entry would be wrong.
  expect_error(remember(late, 1, stored(1, kNow)), ErrorCode::kUnavailable, "emptied");
  EXPECT_EQ(find(next, 1), CacheEntry{});
}

}  // namespace
}  // namespace dataflow::redis
