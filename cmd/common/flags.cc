#include "cmd/common/flags.h"

#include <algorithm>
#include <charconv>
#include <ostream>
#include <utility>

#include "cmd/common/printable.h"
#include "cmd/common/settings.h"
#include "cmd/common/suggest.h"
#include "cmd/common/version.h"

namespace dataflow::cmd {
namespace {

std::unexpected<Error> usage(std::string message) {
  return fail(ErrorCode::kInvalid, std::move(message));
}

// Whether the argument is meant as a flag: a dash or two, then a letter.
bool looks_like_flag(std::string_view argument) {
  const std::size_t dashes = argument.starts_with("--") ? 2 : 1;
  if (!argument.starts_with('-') || argument.size() == dashes) return false;
  const char first = argument[dashes];
  return dashes == 2 || (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
}

}  // namespace

Flags::Flags(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {
  const auto answering = [this](std::string name, std::string doc, auto make) {
    flags_.push_back({std::move(name), "", std::move(doc), [this, make](const std::string&) {
                        answer_ = make();
                        return Result<void>();
                      }});
  };
  answering("help", "this text", [this] { return help(); });
  answering("help-config", "the configuration file with every setting explained", example_config);
  answering("version", "the version of the program",
            [this] { return program_ + " " + std::string(version()) + "\n"; });
}

void Flags::text(std::string_view name, std::string_view placeholder,
                 std::optional<std::string>& value, std::string_view doc) {
  flags_.push_back({std::string(name), std::string(placeholder), std::string(doc),
                    [&value, name = std::string(name)](const std::string& given) -> Result<void> {
                      if (given.empty())
                        return usage("-" + name + ": expected a value, found \"\"");
                      value = given;
                      return {};
                    }});
}

void Flags::number(std::string_view name, std::string_view placeholder,
                   std::optional<std::uint64_t>& value, std::uint64_t least, std::uint64_t most,
                   std::string_view doc) {
  const auto set = [&value, name = std::string(name), least,
                    most](const std::string& given) -> Result<void> {
    std::uint64_t number = 0;
    const char* end = given.data() + given.size();
    const auto parsed = std::from_chars(given.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < least || number > most) {
      return usage("-" + name + ": expected a whole number from " + std::to_string(least) + " to " +
                   std::to_string(most) + ", found \"" + given + "\"");
    }
    value = number;
    return {};
  };
  flags_.push_back({std::string(name), std::string(placeholder), std::string(doc), set});
}

void Flags::yes(std::string_view name, bool& value, std::string_view doc) {
  flags_.push_back({std::string(name), "", std::string(doc),
                    [&value, name = std::string(name)](const std::string& given) -> Result<void> {
                      if (!given.empty() && given != "true" && given != "false") {
                        return usage("-" + name + ": expected true or false, found \"" + given +
                                     "\"");
                      }
                      value = given != "false";
                      return {};
                    }});
}

void Flags::arguments(std::string_view placeholder, std::vector<std::string>& values,
                      std::string_view doc) {
  arguments_ = &values;
  arguments_placeholder_ = placeholder;
  arguments_doc_ = doc;
}

Result<bool> Flags::take_flag(std::string_view name, const std::optional<std::string>& value,
                              const char* next) {
  if (name == "h") name = "help";
  const auto flag = std::ranges::find(flags_, name, &Flag::name);
  if (flag == flags_.end()) {
    std::vector<std::string_view> names;
    for (const Flag& known : flags_) names.push_back(known.name);
    const auto meant = nearest(name, names);
    return usage("unknown flag -" + std::string(name) +
                 (meant ? "; did you mean -" + std::string(*meant) + "?" : ""));
  }
  const bool takes_next = !flag->placeholder.empty() && !value;
  if (takes_next && next == nullptr) {
    return usage("-" + flag->name + ": expected a value (" + flag->placeholder +
                 ") behind it, found nothing");
  }
  const auto set = flag->set(takes_next ? std::string(next) : value.value_or(""));
  if (!set) return std::unexpected(set.error());
  return takes_next;
}

Result<bool> Flags::take(std::string_view argument, const char* next) {
  if (!only_arguments_ && argument == "--") {
    only_arguments_ = true;
    return false;
  }
  if (!only_arguments_ && looks_like_flag(argument)) {
    argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
    const std::size_t equals = argument.find('=');
    std::optional<std::string> value;
    if (equals != std::string_view::npos) value = argument.substr(equals + 1);
    return take_flag(argument.substr(0, equals), value, next);
  }
  if (arguments_ == nullptr) {
    return usage("unexpected argument \"" + std::string(argument) + "\"");
  }
  if (argument.empty()) {
    return usage(arguments_placeholder_ + ": expected a name, found \"\"");
  }
  arguments_->emplace_back(argument);
  return false;
}

std::optional<int> Flags::parse(std::span<const char* const> arguments, std::ostream& out,
                                std::ostream& err) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const char* next = i + 1 < arguments.size() ? arguments[i + 1] : nullptr;
    const auto took_next = take(arguments[i], next);
    if (!took_next) {
      err << program_ << ": " << printable(took_next.error().message) << "; see " << program_
          << " -help\n";
      return kExitUsage;
    }
    if (!answer_.empty()) {
      out << answer_ << std::flush;
      return 0;
    }
    if (*took_next) ++i;
  }
  return std::nullopt;
}

std::string Flags::help() const {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Flag& flag : flags_) {
    rows.emplace_back("-" + flag.name + (flag.placeholder.empty() ? "" : " " + flag.placeholder),
                      flag.doc);
  }
  std::ranges::rotate(rows, rows.begin() + 3);  // the program's own flags first
  if (arguments_ != nullptr) rows.emplace_back(arguments_placeholder_, arguments_doc_);
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());

  std::string out = program_ + ": " + summary_ + "\n\nusage: " + program_ + " [flags]";
  if (arguments_ != nullptr) out += " [" + arguments_placeholder_ + "...]";
  out += "\n\n";
  for (const auto& [left, right] : rows) {
    out += "  " + left + std::string(width - left.size() + 2, ' ');
    for (const char c : right)
      out += c == '\n' ? "\n" + std::string(width + 4, ' ') : std::string(1, c);
    out += "\n";
  }
  return out + "\nFlags are written with one dash or two, values behind a space or '='.\n";
}

}  // namespace dataflow::cmd
