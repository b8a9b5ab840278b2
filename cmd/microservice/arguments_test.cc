// Goal: flags, file and environment come together, and what is wrong ends with exit code 2.
#include "cmd/microservice/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace dataflow::cmd {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  std::variant<ServiceArguments, int> result;
  std::string out;
  std::string err;
};

Parsed parse(const std::vector<const char*>& arguments, const Environment& environment = {}) {
  std::ostringstream out;
  std::ostringstream err;
  auto result = parse_service_arguments(arguments, environment, out, err);
  return {std::move(result), out.str(), err.str()};
}

std::string listens(const Parsed& parsed) {
  const auto* arguments = std::get_if<ServiceArguments>(&parsed.result);
  if (arguments == nullptr) return "(" + parsed.err + ")";
  return arguments->listen.host + " " + std::to_string(arguments->listen.port);
}

TEST(ServiceArguments, NothingIsNeeded) {
  const auto parsed = parse({});
  EXPECT_EQ(listens(parsed), "127.0.0.1 8080");
  EXPECT_FALSE(std::get<ServiceArguments>(parsed.result).config.cassandra);
}

TEST(ServiceArguments, TheFlagWinsOverTheVariable) {
  const Environment environment = {{"DATAFLOW_HTTP_LISTEN", "localhost:1"}};
  EXPECT_EQ(listens(parse({}, environment)), "localhost 1");
  EXPECT_EQ(listens(parse({"-listen", ":9"}, environment)), " 9");
  EXPECT_EQ(listens(parse({"--listen=[::1]:0"}, environment)), "::1 0");
}

TEST(ServiceArguments, WrongOnesAreExitCode2) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> cases = {
      {{"-listen", "8080"}, "-listen: expected \"host:port\", found \"8080\""},
      {{"-listn", "x"}, "unknown flag -listn; did you mean -listen?"},
      {{"extra"}, "unexpected argument \"extra\""},
      {{"-config", "/does/not/exist.conf"}, "/does/not/exist.conf: cannot be read"},
  };
  for (const auto& [arguments, message] : cases) {
    const auto parsed = parse(arguments);
    EXPECT_EQ(std::get<int>(parsed.result), 2);
    EXPECT_THAT(parsed.err, HasSubstr("microservice: " + message));
  }
  EXPECT_THAT(parse({}, {{"DATAFLOW_HTTP_LISTEN", "x"}}).err, HasSubstr("DATAFLOW_HTTP_LISTEN: "));
}

TEST(ServiceArguments, HelpAndVersionAreExitCode0) {
  EXPECT_EQ(std::get<int>(parse({"-help"}).result), 0);
  EXPECT_THAT(parse({"-help"}).out, HasSubstr("-listen HOST:PORT"));
  EXPECT_THAT(parse({"-version"}).out, HasSubstr("microservice "));
}

}  // namespace
}  // namespace dataflow::cmd
