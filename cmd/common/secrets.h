// Secrets that the configuration does not hold itself but names: files with a password each; and
// who else may read what holds one.
//
// Nothing here ever puts a secret into a message.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "dataflow/error.h"

namespace dataflow::cmd {

inline constexpr std::size_t kLongestSecret = 4'096;  // bytes

// The content of `file` without the line end at its end. kInvalid, beginning with `setting`, where
// it cannot be read, is empty, too long, of several lines, or not UTF-8.
Result<std::string> read_secret_file(const std::string& setting, const std::string& file);

// A warning where everybody on this machine may read (or write) a file that holds a secret; nothing
// where not, or where there is no such file. `what`: "the configuration holds a password".
std::optional<std::string> exposure(const std::string& file, const std::string& what);

}  // namespace dataflow::cmd
