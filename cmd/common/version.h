// The version of the programs.
#pragma once

#include <string_view>

namespace dataflow::cmd {

std::string_view version();  // "0.1.0"

}  // namespace dataflow::cmd
