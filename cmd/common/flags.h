// The command line as both programs read it: `-flag value`, `-flag=value`, and the same with two
// dashes.
//
// Flags and other arguments may be mixed; `-` alone and what does not look like a flag (`-5`) are
// arguments; after
// `--` everything is one. A flag given twice counts as given last. Every program has -help,
// -help-config and -version. What is wrong is answered in one line with the nearest flag's name,
// and exit code 2. One thread; the variables that flags are bound to outlive the call of parse().
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::cmd {

inline constexpr int kExitUsage = 2;  // usage or configuration

class Flags {
 public:
  // `summary`: what the program does, one line.
  Flags(std::string program, std::string summary);
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // A flag with a value that must not be empty. `placeholder` is what the help calls the value.
  void text(std::string_view name, std::string_view placeholder, std::optional<std::string>& value,
            std::string_view doc);
  // A whole number in decimal from `least` to `most`.
  void number(std::string_view name, std::string_view placeholder,
              std::optional<std::uint64_t>& value, std::uint64_t least, std::uint64_t most,
              std::string_view doc);
  // A flag without a value; `-name=false` takes it back.
  void yes(std::string_view name, bool& value, std::string_view doc);
  // Takes the other arguments; without this call there may be none.
  void arguments(std::string_view placeholder, std::vector<std::string>& values,
                 std::string_view doc);

  // Nothing when the program is to go on. Otherwise the exit code, 0 after help or version was
  // written to `out`, kExitUsage after a line to `err`.
  std::optional<int> parse(std::span<const char* const> arguments, std::ostream& out,
                           std::ostream& err);

  std::string help() const;

 private:
  struct Flag {
    std::string name;
    std::string placeholder;  // empty: no value needed
    std::string doc;
    std::function<Result<void>(const std::string& value)> set;
  };

  // One argument; `next` is what may be its value. Tells whether `next` was taken.
  Result<bool> take(std::string_view argument, const char* next);
  Result<bool> take_flag(std::string_view name, const std::optional<std::string>& value,
                         const char* next);

  std::string program_;
  std::string summary_;
  std::string arguments_placeholder_;
  std::string arguments_doc_;
  std::vector<std::string>* arguments_ = nullptr;
  std::vector<Flag> flags_;
  bool only_arguments_ = false;  // after `--`
  std::string answer_;           // of -help and the like
};

}  // namespace dataflow::cmd
