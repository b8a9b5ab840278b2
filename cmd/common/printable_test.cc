// Goal: text that others chose stays on its line, in messages and in the log.
#include "cmd/common/printable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <sstream>

#include "cmd/common/config.h"
#include "cmd/common/flags.h"
#include "cmd/common/process.h"

namespace dataflow::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Printable, WritesControlCharactersAndNothingElse) {
  EXPECT_EQ(printable("a\nb\r\tc\x1b[2J\x7f"), "a\\nb\\r\\tc\\x1b[2J\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("a\xff\xc3(\xe2\x82"), "a\\xff\\xc3(\\xe2\\x82");
  EXPECT_EQ(printable("\u009b2J\u00a0"), "\\xc2\\x9b2J\u00a0");
  EXPECT_EQ(printable("größe \"q\" \\ 😀"), "größe \"q\" \\ 😀");
}

TEST(Printable, AKeyOfTheConfigurationStaysOnItsLine) {
  const auto config = parse_config("[redis]\n\"a\\nb\\u001b\" = 1\n", "x.conf", {});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr("redis.a\\nb\\x1b"));
  EXPECT_THAT(config.error().message, Not(HasSubstr("\n")));
}

TEST(Printable, AnArgumentStaysOnItsLine) {
  Flags flags("p", "s");
  std::ostringstream out;
  std::ostringstream err;
  const char* const arguments[] = {"-a\nb"};
  EXPECT_EQ(flags.parse(arguments, out, err), kExitUsage);
  EXPECT_THAT(err.str(), HasSubstr("-a\\nb"));
}

TEST(Printable, AMessageOfTheLogStaysOnItsLine) {
  start_logging();
  testing::internal::CaptureStderr();
  spdlog::warn("cannot read {}", "a\n2026-01-01T00:00:00.000Z error forged");
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, HasSubstr("cannot read a\\n2026-01-01T"));
  EXPECT_EQ(std::count(logged.begin(), logged.end(), '\n'), 1);
}

}  // namespace
}  // namespace dataflow::cmd
