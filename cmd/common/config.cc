#include "cmd/common/config.h"

// toml++ without its compiled library and without exceptions.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <utility>

#include "cmd/common/printable.h"
#include "cmd/common/secrets.h"
#include "cmd/common/settings.h"
#include "cmd/common/suggest.h"
#include "cmd/common/utf8.h"

namespace dataflow::cmd {
namespace {

constexpr std::string_view kPrefix = "DATAFLOW_";
constexpr std::size_t kLongestShown = 80;          // of a refused value in a message
constexpr std::streamsize kLargestFile = 1 << 20;  // a configuration, not a log given by mistake

const Setting* find_setting(std::string_view section, std::string_view key) {
  const auto all = settings();
  const auto found = std::ranges::find_if(
      all, [&](const Setting& s) { return s.section == section && s.key == key; });
  return found == all.end() ? nullptr : &*found;
}

const Section* find_section(std::string_view name) {
  const auto all = sections();
  const auto found = std::ranges::find(all, name, &Section::name);
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const Section& section : sections()) names.push_back(section.name);
  return names;
}

std::vector<std::string_view> keys_of(std::string_view section) {
  std::vector<std::string_view> keys;
  for (const Setting& setting : settings()) {
    if (setting.section == section) keys.push_back(setting.key);
  }
  return keys;
}

// A value as a message may show it. What stands before an @ may be a user and a password.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    text.remove_prefix(at);
    out += "...";
  }
  for (const char c : text.substr(0, kLongestShown)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out + (text.size() > kLongestShown ? "...\"" : "\"");
}

// What a node holds, for a message; of a secret only the type.
std::string found_in(const toml::node& node, bool is_secret) {
  if (const auto* text = node.as_string()) return is_secret ? "text" : in_quotes(text->get());
  if (is_secret && !node.is_table() && !node.is_array()) return "something else than text";
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_floating_point()) return "a number with a fraction";
  if (node.is_array()) return node.as_array()->empty() ? "an empty list" : "a list";
  if (node.is_table()) return "a section";
  return "a date or time";
}

std::optional<std::vector<std::string>> texts_of(const toml::node& node) {
  if (const auto* one = node.as_string()) return std::vector<std::string>{one->get()};
  if (!node.is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& element : *node.as_array()) {
    const auto* text = element.as_string();
    if (text == nullptr) return std::nullopt;
    texts.push_back(text->get());
  }
  return texts;
}

std::optional<Value> value_of(const toml::node& node, Kind kind) {
  switch (kind) {
    case Kind::kText:
      if (const auto* text = node.as_string()) return Value(text->get());
      return std::nullopt;
    case Kind::kTextList:
      if (auto texts = texts_of(node)) return Value(std::move(*texts));
      return std::nullopt;
    case Kind::kNumber:
      if (const auto* number = node.as_integer()) return Value(std::int64_t{number->get()});
      return std::nullopt;
    case Kind::kBool:
      if (const auto* flag = node.as_boolean()) return Value(flag->get());
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// What a variable says: text as it is, a list with commas, a number in decimal, true or false.
std::optional<Value> value_of(std::string_view text, Kind kind) {
  switch (kind) {
    case Kind::kText:
      return Value(std::string(text));
    case Kind::kTextList:
      return Value(split_at_commas(text));
    case Kind::kNumber: {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
      return Value(number);
    }
    case Kind::kBool:
      if (text == "true" || text == "1") return Value(true);
      if (text == "false" || text == "0") return Value(false);
      return std::nullopt;
  }
  return std::nullopt;
}

// In the file's order: line, column; variables after it.
struct Problem {
  std::uint32_t line = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t column = 0;
  std::string text;
};

// Gathers what is wrong, so that one run shows all of it.
class Reading {
 public:
  explicit Reading(std::string_view file) : file_(file) {}

  void read_file(std::string_view text);
  void read_environment(const Environment& environment);
  Result<Config> result() &&;

 private:
  void read_section(const toml::key& name, const toml::node& node);
  void read_key(std::string_view section, const toml::key& key, const toml::node& node);
  void read_variable(const Setting& setting, std::string_view name, std::string_view text);
  template <class Section>
  void choose_password(std::string_view section, Section& values, const Environment& environment);
  void refuse_unknown_variable(std::string_view name);
  void refuse(const toml::source_region& where, const std::string& what);

  std::string file_;
  Config config_;
  std::vector<Problem> problems_;
};

void Reading::refuse(const toml::source_region& where, const std::string& what) {
  problems_.push_back({where.begin.line, where.begin.column,
                       file_ + ":" + std::to_string(where.begin.line) + ":" +
                           std::to_string(where.begin.column) + ": " + what});
}

void Reading::read_file(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text, file_);
  if (!parsed) {
    refuse(parsed.error().source(), "not TOML: " + std::string(parsed.error().description()));
    return;
  }
  for (const auto& [name, node] : parsed.table()) read_section(name, node);
}

void Reading::read_section(const toml::key& name, const toml::node& node) {
  const Section* section = find_section(name.str());
  if (section == nullptr) {
    const bool is_key = !node.is_table();
    refuse(name.source(), std::string(name.str()) + ": expected " +
                              (is_key ? "a section before the first key, found a key"
                                      : "a section of this program, found an unknown one") +
                              suggestion(name.str(), section_names()));
    return;
  }
  const toml::table* keys = node.as_table();
  if (keys == nullptr) {
    refuse(node.source(), std::string(name.str()) + ": expected a section [" +
                              std::string(name.str()) + "], found " + found_in(node, false));
    return;
  }
  section->enable(config_);
  for (const auto& [key, value] : *keys) read_key(section->name, key, value);
}

void Reading::read_key(std::string_view section, const toml::key& key, const toml::node& node) {
  const std::string name = std::string(section) + "." + std::string(key.str());
  const Setting* setting = find_setting(section, key.str());
  if (setting == nullptr) {
    refuse(key.source(), name + ": expected a key of [" + std::string(section) +
                             "], found an unknown one" + suggestion(key.str(), keys_of(section)));
    return;
  }
  const auto value = value_of(node, setting->kind);
  if (value && setting->set(config_, *value)) {
    const auto* text = node.as_string();
    if (setting->is_secret && text != nullptr && !text->get().empty()) {
      config_.file_holds_secrets = true;
    }
    return;
  }
  refuse(node.source(), name + ": expected " + setting->expected + ", found " +
                            found_in(node, setting->is_secret));
}

void Reading::read_variable(const Setting& setting, std::string_view name, std::string_view text) {
  const auto value = value_of(text, setting.kind);
  if (value && is_utf8(text) && setting.set(config_, *value)) return;
  Problem problem;
  problem.text = std::string(name) + ": expected " + setting.expected + ", found " +
                 (setting.is_secret ? "something else" : in_quotes(text));
  problems_.push_back(std::move(problem));
}

// The environment wins over the file, also where the one says `pass` and the other `pass_file`;
// then the file is read.
template <class Section>
void Reading::choose_password(std::string_view section, Section& values,
                              const Environment& environment) {
  const auto is_given = [&](std::string_view key) {
    const auto found = environment.find(find_setting(section, key)->variable());
    return found != environment.end() && !found->second.empty();
  };
  if (is_given("pass") && !is_given("pass_file")) values.pass_file.clear();
  if (is_given("pass_file") && !is_given("pass")) values.pass.clear();
  if (values.pass_file.empty()) return;
  const std::string setting = std::string(section) + ".pass_file";
  Problem problem;
  if (!values.pass.empty()) {
    problem.text = setting + " and " + std::string(section) + ".pass: give one of them";
    problems_.push_back(std::move(problem));
    return;
  }
  auto secret = read_secret_file(setting, values.pass_file);
  if (secret) {
    values.pass = std::move(*secret);
  } else {
    problem.text = secret.error().message;
    problems_.push_back(std::move(problem));
  }
}

void Reading::read_environment(const Environment& environment) {
  std::set<std::string, std::less<>> known;
  for (const Setting& setting : settings()) {
    std::vector<std::string> names{setting.variable()};
    names.insert(names.end(), setting.other_variables.begin(), setting.other_variables.end());
    known.insert(names.front());
    for (const std::string& name : names) {
      const auto found = environment.find(name);
      if (found == environment.end() || found->second.empty()) continue;
      read_variable(setting, name, found->second);
      break;
    }
  }
  for (const auto& [name, text] : environment) {
    if (!text.empty() && name.starts_with(kPrefix) && !known.contains(name)) {
      refuse_unknown_variable(name);
    }
  }
  if (config_.cassandra) choose_password("cassandra", *config_.cassandra, environment);
  if (config_.redis) choose_password("redis", *config_.redis, environment);
}

// A slip in a variable's name must not be overlooked (the embedded store in Cassandra's place!),
// but other programs may have variables that begin with the same word.
void Reading::refuse_unknown_variable(std::string_view name) {
  std::vector<std::string> variables;
  bool is_ours = false;
  for (const Setting& setting : settings()) {
    variables.push_back(setting.variable());
    const std::string_view section =
        std::string_view(variables.back()).substr(0, kPrefix.size() + setting.section.size() + 1);
    is_ours = is_ours || name.starts_with(section);
  }
  const std::vector<std::string_view> candidates(variables.begin(), variables.end());
  const std::string meant = suggestion(name, candidates);
  if (!is_ours && meant.empty()) return;
  Problem problem;
  problem.text =
      std::string(name) + ": expected a variable of a setting, found an unknown one" + meant;
  problems_.push_back(std::move(problem));
}

Result<Config> Reading::result() && {
  if (problems_.empty()) return std::move(config_);
  std::ranges::stable_sort(problems_, {}, [](const Problem& problem) {
    return std::pair(problem.line, problem.column);
  });
  std::string message;
  for (const Problem& problem : problems_) {
    message += (message.empty() ? "" : "\n") + printable(problem.text);
  }
  return fail(ErrorCode::kInvalid, std::move(message));
}

}  // namespace

namespace {

// Looks at who may read the files that hold secrets.
void warn_of_exposure(const std::string& path, Config& config) {
  const auto look = [&](const std::string& file, const std::string& what) {
    if (file.empty()) return;
    if (auto warning = exposure(file, what)) config.warnings.push_back(std::move(*warning));
  };
  if (config.file_holds_secrets) look(path, "the configuration holds a password");
  if (config.cassandra) {
    look(config.cassandra->pass_file, "it holds a password");
    look(config.cassandra->key_file, "it holds a private key");
  }
  if (config.redis) {
    look(config.redis->pass_file, "it holds a password");
    look(config.redis->key_file, "it holds a private key");
  }
  look(config.s3.key_file, "it holds a private key");
  look(config.http.key_file, "it holds a private key");
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return environment;
}

Result<Config> parse_config(std::string_view text, std::string_view name,
                            const Environment& environment) {
  Reading reading(name);
  reading.read_file(text);
  reading.read_environment(environment);
  return std::move(reading).result();
}

Result<Config> load_config(const std::string& path, const Environment& environment) {
  const auto parse = [&](std::string_view text) {
    auto config = parse_config(text, path, environment);
    if (config) warn_of_exposure(path, *config);
    return config;
  };
  if (path.empty()) return parse("");
  const auto cannot_read = [&path] {
    return fail(ErrorCode::kInvalid, path + ": cannot be read: " + std::strerror(errno) +
                                         "; -config names the configuration file");
  };
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot_read();
  std::string text(kLargestFile + 1, '\0');
  file.read(text.data(), kLargestFile + 1);
  if (file.bad()) return cannot_read();
  if (file.gcount() > kLargestFile) {
    return fail(ErrorCode::kInvalid, path + ": larger than 1 MiB; is this the configuration?");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse(text);
}

}  // namespace dataflow::cmd
