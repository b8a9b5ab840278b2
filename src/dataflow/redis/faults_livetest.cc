// Goal: whatever happens to the server, a call fails in time with an error that says what to do,
// and nothing that is not known any more is told as known. Each test has a redis-server of its own.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <numeric>
#include <thread>

#include "dataflow/redis/encoding.h"
#include "dataflow/redis/link.h"
#include "dataflow/redis/live_support.h"

namespace dataflow::redis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr WriteTime kNow = 1'790'000'000'000'000;
constexpr ObjectId kA = 1;
const std::string kTable = "table\n1";

CacheEntry stored(std::uint64_t content, WriteTime time, ObjectId owner = kA) {
  return {CacheEntry::State::kStored, false, {content, ~content}, time, owner};
}

Result<void> open(Cache& cache, const std::string& incarnation = kTable) {
  return run(cache.open(incarnation));
}

Result<CacheEntry> find(Cache& cache, ProductId id) {
  CacheEntry entry;
  const auto found = run(cache.find(std::span(&id, 1), std::span(&entry, 1)));
  if (!found) return std::unexpected(found.error());
  return entry;
}

Result<std::size_t> remember(Cache& cache, ProductId id, const CacheEntry& entry) {
  return run(cache.remember(std::span(&id, 1), std::span(&entry, 1)));
}

Result<std::size_t> remember_many(Cache& cache, ProductId first, std::size_t count) {
  std::vector<ProductId> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  const std::vector<CacheEntry> entries(count, stored(1, kNow));
  return run(cache.remember(ids, entries));
}

void expect_error(const auto& result, ErrorCode code, std::string_view message) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, code) << result.error().describe();
  EXPECT_THAT(result.error().message, HasSubstr(message)) << result.error().describe();
}

// A server that gives one answer, whatever it is asked.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      ADD_FAILURE() << "cannot listen on 127.0.0.1";
    }
    addr_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;

  Options options() const { return {.addr = addr_, .user = {}, .pass = {}}; }

 private:
  void serve() {
    for (;;) {
      const int peer = ::accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      char asked[4096];
      while (::recv(peer, asked, sizeof asked, 0) > 0) {
        if (::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL) <= 0) break;
      }
      ::close(peer);
    }
  }

  std::string answer_;
  std::string addr_;
  int listener_ = -1;
  std::thread thread_;
};

TEST(LiveOptions, ThatCannotBeMeantAreInvalid) {
  Cache nowhere({.addr = "nowhere", .user = {}, .pass = {}});
  expect_error(open(nowhere), ErrorCode::kInvalid, "redis.addr");
  OwnRedis redis;
  Options options = redis.options();
  options.db = 99;
  Cache cache(options);
  expect_error(open(cache), ErrorCode::kInvalid, "redis.db");
}

TEST(LiveOptions, ChooseTheDatabase) {
  OwnRedis redis;
  Options options = redis.options();
  options.db = 9;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  ASSERT_TRUE(remember_many(cache, 0, 10));
  RawRedis nine(redis.addr(), 9);
  EXPECT_EQ(nine({"DBSIZE"}), "12") << "ten rows, the pointer, the registry";
  RawRedis zero(redis.addr());
  EXPECT_EQ(zero({"DBSIZE"}), "0");
}

TEST(LiveServer, ThatIsNotThereIsUnavailable) {
  OwnRedis redis;
  redis.kill();
  Cache cache(redis.options());
  expect_error(open(cache), ErrorCode::kUnavailable, "cannot connect to Redis at " + redis.addr());
  redis.start();
  EXPECT_TRUE(open(cache)) << "it is there now";
}

TEST(LiveServer, ThatIsNoRedisIsUnavailable) {
  const std::vector<std::pair<std::string, std::string>> answers{
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "does not talk as Redis does"},
      {"", "hangs up"},
      {"+OK\r\n", "did not answer"},  // one answer to two commands
  };
  for (const auto& [answer, message] : answers) {
    OneAnswer other(answer);
    Options options = other.options();
    options.response_timeout_ms = 300;
    Cache cache(options);
    expect_error(open(cache), ErrorCode::kUnavailable, message);
  }
}

TEST(LiveServer, ThatRefusesSaysWhyAndWhatToDo) {
  const std::vector<std::tuple<std::string, ErrorCode, std::string>> refusals{
      {"LOADING Redis is loading the dataset in memory", ErrorCode::kUnavailable, "still loading"},
      {"BUSY Redis is busy running a script.", ErrorCode::kUnavailable, "busy"},
      {"READONLY You can't write against a read only replica.", ErrorCode::kUnavailable, "replica"},
      {"MOVED 3999 127.0.0.1:6381", ErrorCode::kUnavailable, "cluster"},
      {"OOM command not allowed", ErrorCode::kUnavailable, "full"},
      {"ERR Error running script: @user_script:1: -OOM command not allowed",
       ErrorCode::kUnavailable, "full"},
      {"ERR ACL failure in script: no permissions", ErrorCode::kUnauthorized, "ACL"},
      {"NOPERM this user has no permissions", ErrorCode::kUnauthorized, "ACL"},
      {"NOAUTH Authentication required.", ErrorCode::kUnauthorized, "redis.pass"},
      {"WRONGPASS invalid username-password pair", ErrorCode::kUnauthorized, "redis.pass"},
      {"ERR max number of clients reached", ErrorCode::kUnavailable, "refused a command"},
      {"SOMETHING new", ErrorCode::kUnavailable, "refused a command"},
  };
  for (const auto& [refusal, code, message] : refusals) {
    OneAnswer server("-" + refusal + "\r\n");
    Cache cache(server.options());
    const auto opened = open(cache);
    expect_error(opened, code, message);
    EXPECT_EQ(opened.error().cause, refusal);
  }
}

TEST(LiveServer, OfAClusterIsRefused) {
  OwnRedis redis({"--cluster-enabled", "yes"});
  Cache cache(redis.options());
  expect_error(open(cache), ErrorCode::kUnavailable, "cluster");
}

TEST(LiveServer, ThatIsAReplicaIsRefused) {
  OwnRedis redis({"--replicaof", "127.0.0.1 1"});
  Cache cache(redis.options());
  expect_error(open(cache), ErrorCode::kUnavailable, "replica");
}

TEST(LiveServer, WithAPasswordWantsIt) {
  OwnRedis redis({"--requirepass", "right"});
  Options options = redis.options();
  for (const char* pass : {"", "wrong"}) {
    options.pass = pass;
    Cache cache(options);
    const auto opened = open(cache);
    expect_error(opened, ErrorCode::kUnauthorized, "redis.pass");
    EXPECT_THAT(opened.error().describe(), Not(HasSubstr("wrong")));
  }
  options.pass = "right";
  Cache cache(options);
  EXPECT_TRUE(open(cache));
}

TEST(LiveServer, WithoutAPasswordRefusesOne) {
  OwnRedis redis;
  Options options = redis.options();
  options.pass = "needless";
  Cache cache(options);
  expect_error(open(cache), ErrorCode::kUnauthorized, "redis.pass");
}

// What cache.h says that a user needs.
constexpr std::array kAllowed{
    "~dataflow:*", "+info",   "+client|id", "+select",  "+eval", "+get",
    "+mget",       "+set",    "+mset",      "+msetnx",  "+del",  "+scan",
    "+unlink",     "+hsetnx", "+hgetall",   "+hexists", "+hset", "+hdel",
};

TEST(LiveServer, ServesAUserWhoMayDoWhatTheHeaderSays) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  std::vector<std::string_view> words{"ACL", "SETUSER", "job", "on", ">secret"};
  words.insert(words.end(), kAllowed.begin(), kAllowed.end());
  ASSERT_EQ(admin(words), "OK");
  Options options = redis.options();
  options.user = "job";
  options.pass = "secret";
  Cache before(options);
  ASSERT_TRUE(open(before, "table\n0"));
  ASSERT_EQ(remember_many(before, 0, 100), 0);

  Cache cache(options);
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  ASSERT_EQ(remember(cache, 1, stored(2, kNow + 1, 2)), 0);
  EXPECT_EQ(find(cache, 1), stored(2, kNow + 1, 2));
  const ProductId id = 1;
  EXPECT_EQ(run(cache.forget(std::span(&id, 1), kA, kNow + 2)), kNow + 1);
  const Object object{"o", 1, "v"};
  const auto token = run(cache.begin_object(object_id("o")));
  ASSERT_TRUE(token);
  EXPECT_EQ(run(cache.end_object(object, *token)), true);
  EXPECT_EQ(run(cache.find_objects(std::span(&object, 1))), std::vector<bool>{true});
  EXPECT_EQ(run(cache.still_trustworthy()), true);
  // Cleaning as well, and a lost connection although the user may not kill the one before.
  EXPECT_TRUE(eventually([&] { return find(cache, 1) && admin({"DBSIZE"}) == "4"; }));
  admin({"CLIENT", "KILL", "USER", "job"});
  EXPECT_TRUE(find(cache, 1));
}

TEST(LiveServer, RefusesAUserWhoMayNot) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  std::vector<std::string_view> words{"ACL", "SETUSER", "job", "on", ">secret"};
  words.insert(words.end(), kAllowed.begin(), kAllowed.end());
  ASSERT_EQ(admin(words), "OK");
  Options options = redis.options();
  options.user = "job";
  options.pass = "secret";
  const ProductId id = 1;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  admin({"ACL", "SETUSER", "job", "-msetnx"});
  expect_error(remember(cache, 1, stored(1, kNow)), ErrorCode::kUnauthorized, "ACL");
  admin({"ACL", "SETUSER", "job", "+msetnx", "-mset"});
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  expect_error(remember(cache, 1, stored(2, kNow + 1)), ErrorCode::kUnauthorized, "ACL");
  admin({"ACL", "SETUSER", "job", "+mset", "-eval"});
  expect_error(run(cache.forget(std::span(&id, 1), kA, kNow + 2)), ErrorCode::kUnauthorized, "ACL");
  EXPECT_EQ(find(cache, 1), stored(1, kNow));
  admin({"ACL", "SETUSER", "job", "-info"});
  EXPECT_EQ(run(cache.still_trustworthy()).error().code, ErrorCode::kUnauthorized);
  EXPECT_EQ(open(cache).error().code, ErrorCode::kUnauthorized);
}

TEST(LiveServer, ThatIsFullIsUnavailableForWritesOnly) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  Cache cache(redis.options());
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  ASSERT_EQ(admin({"CONFIG", "SET", "maxmemory", "1"}), "OK");  // noeviction
  expect_error(remember(cache, 2, stored(1, kNow)), ErrorCode::kUnavailable, "full");
  expect_error(remember(cache, 1, stored(2, kNow + 1)), ErrorCode::kUnavailable, "full");
  const ProductId id = 1;
  expect_error(run(cache.forget(std::span(&id, 1), kA, kNow + 2)), ErrorCode::kUnavailable, "full");
  expect_error(run(cache.begin_object(kA)), ErrorCode::kUnavailable, "full");
  EXPECT_EQ(find(cache, 1), stored(1, kNow));
  Cache fresh(redis.options());
  expect_error(open(fresh, "other\n1"), ErrorCode::kUnavailable, "full");

  ASSERT_EQ(admin({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  EXPECT_EQ(remember(cache, 2, stored(1, kNow)), 0);
  EXPECT_EQ(run(cache.still_trustworthy()), true);
}

TEST(LiveServer, ThatIsPausedFailsCallsInTimeAndComesBack) {
  OwnRedis redis;
  Options options = redis.options();
  options.response_timeout_ms = 300;
  options.connect_timeout_ms = 300;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  ASSERT_EQ(remember(cache, 1, stored(1, kNow)), 0);
  Cache late(options);

  redis.pause();
  const auto start = std::chrono::steady_clock::now();
  expect_error(find(cache, 1), ErrorCode::kUnavailable, "did not answer within 300 ms");
  expect_error(remember(cache, 2, stored(1, kNow)), ErrorCode::kUnavailable, "did not answer");
  expect_error(open(late), ErrorCode::kUnavailable, "did not answer");
  const auto elapsed = std::chrono::steady_clock::now() - start;
  EXPECT_GE(elapsed, std::chrono::milliseconds(900));
  EXPECT_LT(elapsed, std::chrono::milliseconds(3'000)) << "three calls of 300 ms each";

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
  options.response_timeout_ms = 300;
  Cache cache(options);
  ASSERT_TRUE(open(cache));
  redis.pause();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(unavailable_of(cache, 1'000), 1'000);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(3'000));
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
