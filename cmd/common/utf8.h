// Whether text is UTF-8: what the wire clients take for names and passwords.
#pragma once

#include <string_view>

namespace dataflow::cmd {

bool is_utf8(std::string_view text);

}  // namespace dataflow::cmd
