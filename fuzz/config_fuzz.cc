// Goal: whatever a configuration file, the environment and the command line hold, they are read or
// refused with messages of one line each that show no secret and no control character.
//
// Input: three parts with "\n---\n" between them: the file, variables as NAME=VALUE lines, the
// arguments of a command line, one a line.
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/common/address.h"
#include "cmd/common/config.h"
#include "cmd/common/flags.h"
#include "fuzz/support.h"

namespace dataflow::cmd {
namespace {

using fuzz::check;

constexpr std::string_view kBetween = "\n---\n";
constexpr std::string_view kSecret = "hunter2-is-never-shown";

std::string_view take_until(std::string_view& text, std::string_view mark) {
  const std::size_t end = text.find(mark);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + mark.size());
  return part;
}

bool is_printable(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

void check_message(std::string_view message, std::string_view input) {
  check(!message.empty(), "what is wrong is said");
  if (!input.contains(kSecret)) check(!message.contains(kSecret), "no secret is shown", message);
  while (!message.empty()) {
    const std::string_view line = take_until(message, "\n");
    check(is_printable(line), "a message has no control characters", line);
    check(
        line.starts_with("fuzz.conf:") || line.starts_with("DATAFLOW_") || line.starts_with("AWS_"),
        "each line of it says where", line);
  }
}

void read(std::string_view file, std::string_view variables) {
  Environment environment{{"DATAFLOW_CASSANDRA_PASS", std::string(kSecret)},
                          {"DATAFLOW_REDIS_PASS", std::string(kSecret)}};
  std::string_view left = variables;
  while (!left.empty()) {
    std::string_view line = take_until(left, "\n");
    const std::string_view name = take_until(line, "=");
    if (is_printable(name)) environment[std::string(name)] = std::string(line);
  }
  const auto config = parse_config(file, "fuzz.conf", environment);
  if (!config) {
    check(config.error().code == ErrorCode::kInvalid, "a configuration is read or refused");
    check_message(config.error().message, std::string(file) + std::string(variables));
    return;
  }
  check(!config->cassandra || config->cassandra->port > 0, "a port is one");
  check(config->pipeline.max_line_bytes >= 1'024, "a limit is within its range");
  check(config->pipeline.block_bytes >= 4'096, "a limit is within its range");
  check(parse_address(config->http.listen).has_value(), "an address is one");
}

void parse_arguments(std::string_view text) {
  std::vector<std::string> arguments;
  while (!text.empty()) arguments.emplace_back(take_until(text, "\n"));
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  std::optional<std::string> config;
  std::optional<std::uint64_t> number;
  bool yes = false;
  std::vector<std::string> others;
  Flags flags("fuzz", "is fuzzed");
  flags.text("config", "FILE", config, "a text");
  flags.number("concurrency", "N", number, 1, 1'024, "a number");
  flags.yes("dry-run", yes, "a switch");
  flags.arguments("SOURCE...", others, "the others");
  std::ostringstream out;
  std::ostringstream err;
  const auto code = flags.parse(pointers, out, err);
  if (code && *code != 0) {
    const std::string said = err.str();
    check(*code == kExitUsage && said.ends_with('\n'), "wrong usage is said in a line");
    check(is_printable(std::string_view(said).substr(0, said.size() - 1)),
          "a message has no control characters", said);
  }
  check(!number || (*number >= 1 && *number <= 1'024), "a number is within its range");
  check(!config || !config->empty(), "a text is not empty");
}

}  // namespace
}  // namespace dataflow::cmd

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dataflow::cmd;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view file = take_until(input, kBetween);
  const std::string_view variables = take_until(input, kBetween);
  read(file, variables);
  parse_arguments(input);
  parse_address(file.substr(0, 64));
  return 0;
}
