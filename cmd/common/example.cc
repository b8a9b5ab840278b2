// Writes the example file from the table, so that what it says is what is read.
#include <string>
#include <string_view>

#include "cmd/common/settings.h"

namespace dataflow::cmd {
namespace {

constexpr std::string_view kOpening =
    "The configuration of job and microservice, in TOML, read with `-config dataflow.conf`. Each "
    "setting stands with its meaning, what it may be, and the variable of the environment that "
    "wins "
    "over it. A key behind `#` shows the default.\n"
    "Nothing here is needed: without -config no file is read, store and cache are embedded, and "
    "the "
    "variables still count; a variable of a section's makes the section present, an empty one "
    "counts "
    "as none.\n"
    "Passwords are better given by the environment; a file that holds one should be readable by "
    "its "
    "owner only.\n";

constexpr std::size_t kColumns = 100;

// `text` as comment lines; its own line ends are kept, long lines are broken at spaces.
std::string comment(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty()) {
      std::size_t cut = line.size();
      if (cut + 2 > kColumns) {
        cut = line.rfind(' ', kColumns - 2);
        if (cut == std::string_view::npos) cut = line.size();
      }
      out.append("# ").append(line.substr(0, cut)).append("\n");
      line.remove_prefix(std::min(cut + 1, line.size()));
    }
  }
  return out;
}

std::string explained(const Setting& setting) {
  std::string variables = setting.variable();
  for (const std::string_view other : setting.other_variables) {
    variables.append(", ").append(other);
  }
  return comment(std::string(setting.doc) + "\n" + setting.expected + " (" + variables + ")");
}

}  // namespace

std::string example_config() {
  Config defaults;
  for (const Section& section : sections()) section.enable(defaults);
  std::string out = comment(kOpening);
  for (const Section& section : sections()) {
    out.append("\n").append(comment(section.doc)).append("[").append(section.name).append("]\n");
    for (const Setting& setting : settings()) {
      if (setting.section != section.name) continue;
      out.append(explained(setting)).append(setting.in_example ? "" : "# ");
      out.append(setting.key).append(" = ").append(setting.show(defaults)).append("\n\n");
    }
    out.pop_back();
  }
  return out;
}

}  // namespace dataflow::cmd
