// The one table of settings: section, key, range, environment variables and meaning of each.
//
// To add a key: a member in config.h, a line in settings.cc, and the example file written anew (its
// test says how). Everything else (reading, refusing, suggesting, `-help-config`, the example file)
// follows from the table.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cmd/common/config.h"

namespace dataflow::cmd {

enum class Kind : std::uint8_t { kText, kTextList, kNumber, kBool };

// A value as it was given, of the kind that its setting wants.
using Value = std::variant<std::string, std::vector<std::string>, std::int64_t, bool>;

struct Setting {
  std::string_view section;
  std::string_view key;
  Kind kind = Kind::kText;
  std::string expected;  // "a whole number from 1 to 65535"
  std::string_view doc;  // what it means, for the example file
  std::function<bool(Config&, const Value&)>
      set;  // false: not what is expected, nothing was changed
  std::function<std::string(const Config&)> show;  // the value as TOML writes it
  bool is_secret = false;                          // its value is never shown
  bool in_example = false;                         // the example file sets it
  std::vector<std::string_view> other_variables;   // after DATAFLOW_<SECTION>_<KEY>, in this order

  std::string variable() const;  // DATAFLOW_<SECTION>_<KEY>
};

struct Section {
  std::string_view name;
  std::string_view doc;
  std::function<void(Config&)> enable;  // makes it present
};

std::span<const Section> sections();
std::span<const Setting> settings();  // section by section, in the order of sections()

// A whole configuration file with every setting explained: what -help-config prints and what
// dataflow.conf is.
std::string example_config();

}  // namespace dataflow::cmd
