// Text that others chose (a file's name, a key, an argument), made fit for a line of a log or a
// terminal.
#pragma once

#include <string>
#include <string_view>

namespace dataflow::cmd {

// `text` with its control characters (U+0000 to U+001F, U+007F to U+009F) and what is no UTF-8
// written as \n, \t, \x1b: it stays on its line, moves no cursor and is UTF-8.
std::string printable(std::string_view text);

}  // namespace dataflow::cmd
