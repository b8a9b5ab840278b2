// Goal: the parts that need no server: commands in one buffer, options that can be meant, steps of
// cleaning, and scripts that agree with the layout.
#include <gtest/gtest.h>

#include "dataflow/redis/cache.h"
#include "dataflow/redis/cleaner.h"
#include "dataflow/redis/commands.h"
#include "dataflow/redis/encoding.h"
#include "dataflow/redis/limits.h"
#include "dataflow/redis/scripts.h"

namespace dataflow::redis {
namespace {

// The arguments of each command.
std::vector<std::vector<std::string>> read(const Commands& commands) {
  std::vector<std::vector<std::string>> all;
  const auto* bytes = reinterpret_cast<const char*>(commands.bytes().data());
  std::size_t next = 0;
  for (const std::uint32_t arguments : commands.arguments()) {
    auto& command = all.emplace_back();
    for (std::uint32_t i = 0; i < arguments; ++i) {
      const std::uint32_t length = commands.lengths()[next++];
      command.emplace_back(bytes, length);
      bytes += length;
    }
  }
  EXPECT_EQ(next, commands.lengths().size());
  return all;
}

TEST(Commands, KeepArgumentsApart) {
  Commands commands;
  commands.command("MGET").add_row("p:", 0).add_row("p:", kMaxProductId);
  commands.command("SET").add("").add(1'000);
  commands.add_space(2)[1] = 'x';
  using All = std::vector<std::vector<std::string>>;
  EXPECT_EQ(read(commands), (All{{"MGET", "p:0", "p:9223372036854775807"},
                                 {"SET", "", "1000", std::string("\0x", 2)}}));
}

TEST(Options, AreCheckedBeforeAnythingIsSent) {
  EXPECT_TRUE(check({}));
  for (const char* addr : {"redis.local:1", "[::1]:6379", "127.0.0.1:65535"}) {
    Options options;
    options.addr = addr;
    EXPECT_TRUE(check(options)) << addr;
  }
  for (const char* addr : {"", "host", ":6379", "host:", "host:0", "host:65536", "host:x",
                           "::1:6379", "redis://host:6379"}) {
    Options options;
    options.addr = addr;
    const auto checked = check(options);
    ASSERT_FALSE(checked) << addr;
    EXPECT_EQ(checked.error().code, ErrorCode::kInvalid);
    EXPECT_NE(checked.error().message.find("redis.addr"), std::string::npos);
  }
  Options login;
  login.user = "somebody";
  EXPECT_FALSE(check(login));
  login.pass = "secret";
  EXPECT_TRUE(check(login));
  Options files;
  files.ca_file = "ca.pem";
  ASSERT_FALSE(check(files));
  EXPECT_NE(check(files).error().message.find("set redis.tls = true"), std::string::npos);
  files.tls = true;
  EXPECT_TRUE(check(files));
  Options slow;
  slow.connect_timeout_ms = 0;
  EXPECT_FALSE(check(slow));
  slow = {};
  slow.response_timeout_ms = 0;
  EXPECT_FALSE(check(slow));
}

// Members of a registry as the server tells them.
const Cleaner::Retired kOne{"dataflow:cache:11 aaaaaaaaaaa", "0"};
const Cleaner::Retired kTwo{"dataflow:cache:22 bbbbbbbbbbb", "5"};

// The arguments of a step behind its script; the answer is told at once.
std::vector<std::string> step(Cleaner& cleaner, Cleaner::Clock::time_point& now,
                              std::string_view answer) {
  now += kCleanPause;
  Commands commands;
  const auto step = cleaner.append(commands, now);
  if (!step) return {};
  cleaner.took(*step, answer);
  auto arguments = read(commands).at(0);
  return {arguments.begin() + 3, arguments.end()};
}

using Arguments = std::vector<std::string>;

TEST(Cleaner, GoesThroughEveryMemberFromCursorToCursor) {
  Cleaner cleaner;
  Cleaner::Clock::time_point now{};
  cleaner.start("registry", {kOne, kTwo});
  const std::string count = std::to_string(kCleanKeysPerStep);
  EXPECT_EQ(step(cleaner, now, "17"),
            (Arguments{"registry", "0", "dataflow:aaaaaaaaaaa:*", count, kOne.member}));
  EXPECT_EQ(step(cleaner, now, "0"),
            (Arguments{"registry", "17", "dataflow:aaaaaaaaaaa:*", count, kOne.member}));
  EXPECT_EQ(step(cleaner, now, "0"),
            (Arguments{"registry", "5", "dataflow:bbbbbbbbbbb:*", count, kTwo.member}));
  EXPECT_EQ(step(cleaner, now, "0"), Arguments{});
}

TEST(Cleaner, TakesOneStepAtATimeAndRepeatsOneThatFailed) {
  Cleaner cleaner;
  Cleaner::Clock::time_point now{};
  cleaner.start("registry", {kOne});
  Commands first;
  Commands second;
  const auto one = cleaner.append(first, now += kCleanPause);
  ASSERT_TRUE(one);
  EXPECT_FALSE(cleaner.append(second, now += kCleanPause));
  cleaner.failed(*one);
  ASSERT_TRUE(cleaner.append(second, now += kCleanPause));
  EXPECT_EQ(read(first), read(second));
}

TEST(Cleaner, PausesBetweenSteps) {
  Cleaner cleaner;
  Cleaner::Clock::time_point now{};
  cleaner.start("registry", {kOne});
  EXPECT_FALSE(step(cleaner, now, "17").empty());
  Commands none;
  EXPECT_FALSE(cleaner.append(none, now + kCleanPause - std::chrono::nanoseconds(1)));
  EXPECT_TRUE(none.arguments().empty());
  EXPECT_FALSE(step(cleaner, now, "0").empty());
}

TEST(Cleaner, StopsWhereTheServerDoesNotAllowIt) {
  Cleaner cleaner;
  Cleaner::Clock::time_point now{};
  cleaner.start("registry", {kOne, kTwo});
  EXPECT_FALSE(step(cleaner, now, "").empty());
  EXPECT_EQ(step(cleaner, now, "0"), Arguments{});
}

TEST(Cleaner, DoesNotTakeAnAnswerFromBeforeForAStepOfNow) {
  Cleaner cleaner;
  Cleaner::Clock::time_point now{};
  cleaner.start("registry", {kOne});
  Commands before;
  const auto old = cleaner.append(before, now += kCleanPause);
  ASSERT_TRUE(old);
  cleaner.start("registry", {kTwo});
  cleaner.took(*old, "0");
  EXPECT_EQ(step(cleaner, now, "0").at(2), "dataflow:bbbbbbbbbbb:*");
}

TEST(Scripts, KnowTheSizeOfAnEntry) {
  for (const std::string_view script : {kRememberScript, kForgetScript}) {
    EXPECT_NE(script.find("#was"), std::string_view::npos);
    EXPECT_NE(script.find(std::to_string(kEntryBytes)), std::string_view::npos);
  }
}

TEST(Limits, LeaveRoomInALuaCall) { static_assert(2 * kRowsPerCommand < 8'000); }

}  // namespace
}  // namespace dataflow::redis
