// Goal: the command line is read as people write it, and a slip is answered with what may have been
// meant.
#include "cmd/common/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cmd/common/address.h"
#include "cmd/common/settings.h"
#include "cmd/common/suggest.h"
#include "cmd/common/version.h"

namespace dataflow::cmd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Program {
  Flags flags{"prog", "does a thing"};
  std::optional<std::string> config;
  std::optional<std::uint64_t> count;
  bool dry_run = false;
  std::vector<std::string> sources;
  std::ostringstream out;
  std::ostringstream err;

  explicit Program(bool with_sources = true) {
    flags.text("config", "FILE", config, "the configuration");
    flags.number("count", "N", count, 1, 10, "how many");
    flags.yes("dry-run", dry_run, "only tells");
    if (with_sources) flags.arguments("SOURCE", sources, "what to read");
  }

  std::optional<int> run(std::vector<const char*> arguments) {
    return flags.parse(arguments, out, err);
  }
};

TEST(Flags, OneDashOrTwoSpaceOrEquals) {
  const std::vector<std::vector<const char*>> ways = {
      {"-config", "a", "-count", "3", "-dry-run"},
      {"--config", "a", "--count", "3", "--dry-run"},
      {"-config=a", "-count=3", "-dry-run=true"},
      {"--config=a", "--count=3", "--dry-run=true"}};
  for (const auto& way : ways) {
    Program program;
    EXPECT_EQ(program.run(way), std::nullopt) << program.err.str();
    EXPECT_EQ(program.config, "a");
    EXPECT_EQ(program.count, 3U);
    EXPECT_TRUE(program.dry_run);
    EXPECT_THAT(program.sources, IsEmpty());
  }
}

TEST(Flags, NotGivenIsNotSet) {
  Program program;
  EXPECT_EQ(program.run({}), std::nullopt);
  EXPECT_FALSE(program.config || program.count || program.dry_run);
}

TEST(Flags, TheLastOfSeveralCounts) {
  Program program;
  EXPECT_EQ(program.run({"-config=a", "-dry-run", "--config", "b", "-dry-run=false"}),
            std::nullopt);
  EXPECT_EQ(program.config, "b");
  EXPECT_FALSE(program.dry_run);
}

TEST(Flags, ArgumentsMayStandAnywhereAndLookLikeAlmostAnything) {
  Program program;
  EXPECT_EQ(program.run({"a", "-dry-run", "-", "-5", "-config", "-", "--", "-config", "--x"}),
            std::nullopt);
  EXPECT_THAT(program.sources, ElementsAre("a", "-", "-5", "-config", "--x"));
  EXPECT_EQ(program.config, "-");
}

TEST(Flags, AValueMayBeginWithADash) {
  Program program;
  EXPECT_EQ(program.run({"-config", "-odd-name", "-config=--odder"}), std::nullopt);
  EXPECT_EQ(program.config, "--odder");
}

TEST(Flags, WrongUseIsExitCode2AndOneLine) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> cases = {
      {{"-confg", "x"}, "unknown flag -confg; did you mean -config?"},
      {{"--dryrun"}, "unknown flag -dryrun; did you mean -dry-run?"},
      {{"-zzzzzz=1"}, "unknown flag -zzzzzz"},
      {{"-x"}, "unknown flag -x"},
      {{"--=3"}, "unknown flag -"},
      {{"-config"}, "-config: expected a value (FILE) behind it, found nothing"},
      {{"-config="}, "-config: expected a value, found \"\""},
      {{"-count", "0"}, "-count: expected a whole number from 1 to 10, found \"0\""},
      {{"-count", "11"}, "found \"11\""},
      {{"-count", "-1"}, "found \"-1\""},
      {{"-count", "3x"}, "found \"3x\""},
      {{"-count", "99999999999999999999"}, "found \"99999999999999999999\""},
      {{"-dry-run=maybe"}, "-dry-run: expected true or false, found \"maybe\""},
      {{""}, "SOURCE: expected a name, found \"\""},
  };
  for (const auto& [arguments, message] : cases) {
    Program program;
    EXPECT_EQ(program.run(arguments), kExitUsage) << message;
    EXPECT_THAT(program.err.str(), AllOf(StartsWith("prog: "), HasSubstr(message)));
    EXPECT_THAT(program.err.str(), HasSubstr("; see prog -help\n"));
    EXPECT_EQ(program.out.str(), "");
  }
}

TEST(Flags, ArgumentsAreRefusedWhereThereAreNone) {
  Program program(false);
  EXPECT_EQ(program.run({"extra"}), kExitUsage);
  EXPECT_THAT(program.err.str(), HasSubstr("unexpected argument \"extra\""));
}

TEST(Flags, HelpNamesEverythingAndEndsWell) {
  for (const char* flag : {"-help", "--help", "-h"}) {
    Program program;
    EXPECT_EQ(program.run({flag}), 0);
    for (const char* part : {"prog: does a thing", "usage: prog [flags] [SOURCE...]",
                             "-config FILE", "the configuration", "-count N", "-dry-run", "-help",
                             "-help-config", "-version", "what to read"}) {
      EXPECT_THAT(program.out.str(), HasSubstr(part));
    }
    EXPECT_EQ(program.err.str(), "");
  }
}

TEST(Flags, VersionAndExampleConfiguration) {
  Program program;
  EXPECT_EQ(program.run({"-version"}), 0);
  EXPECT_EQ(program.out.str(), "prog " + std::string(version()) + "\n");
  Program other;
  EXPECT_EQ(other.run({"--help-config", "-unknown"}), 0);
  EXPECT_EQ(other.out.str(), example_config());
}

TEST(Suggest, FindsSlipsAndNothingFarFetched) {
  const std::vector<std::string_view> names = {"config", "concurrency", "report", "rejects"};
  EXPECT_EQ(nearest("confg", names), "config");
  EXPECT_EQ(nearest("ocnfig", names), "config");
  EXPECT_EQ(nearest("concurency", names), "concurrency");
  EXPECT_EQ(nearest("reprot", names), "report");
  EXPECT_EQ(nearest("config", names), "config");
  EXPECT_EQ(nearest("colour", names), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
}

TEST(Address, IsHostAndPort) {
  const auto host = [](std::string_view text) {
    return parse_address(text).value_or(Address{"?", 0}).host;
  };
  EXPECT_EQ(host("127.0.0.1:80"), "127.0.0.1");
  EXPECT_EQ(host("localhost:80"), "localhost");
  EXPECT_EQ(host("[::1]:80"), "::1");
  EXPECT_EQ(host(":80"), "");
  EXPECT_EQ(parse_address("h:65535").value_or(Address{}).port, 65'535);
  EXPECT_EQ(parse_address("h:0").value_or(Address{"", 1}).port, 0);
  for (const char* wrong : {"", ":", "h", "h:", "h:x", "h:-1", "h:65536", "h:80 ", "a b:80",
                            "::1:80", "[::1]", "[]:80", "[::1:80", "http://h:80"}) {
    EXPECT_FALSE(parse_address(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace dataflow::cmd
