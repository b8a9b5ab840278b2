// Text that others chose (a file's name, a key, an argument), made fit for a line of a log or a
// terminal.
#pragma once

#include <string>
#include <string_view>

namespace dataflow::cmd {

// `text` with its control characters written as \n, \t, \x1b: it stays on its line, and moves no
// cursor.
std::string printable(std::string_view text);

}  // namespace dataflow::cmd
