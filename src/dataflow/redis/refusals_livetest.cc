// Goal: a server that is not there, is none, or lets us not in, is an error with its code, its
// words and what to do, and no secret. Each test has a redis-server of its own.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <tuple>
#include <utility>

#include "dataflow/redis/faults_testing.h"

namespace dataflow::redis {
namespace {

using testing::HasSubstr;
using testing::Not;

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

// The options of a user "job", made on the server, who may do that and nothing else.
Options as_allowed_user(const OwnRedis& redis, RawRedis& admin) {
  std::vector<std::string_view> words{"ACL", "SETUSER", "job", "on", ">secret"};
  words.insert(words.end(), kAllowed.begin(), kAllowed.end());
  EXPECT_EQ(admin(words), "OK");
  Options options = redis.options();
  options.user = "job";
  options.pass = "secret";
  return options;
}

TEST(LiveServer, ServesAUserWhoMayDoWhatTheHeaderSays) {
  OwnRedis redis;
  RawRedis admin(redis.addr());
  const Options options = as_allowed_user(redis, admin);
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
  const Options options = as_allowed_user(redis, admin);
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

}  // namespace
}  // namespace dataflow::redis
