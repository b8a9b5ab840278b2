// What may be set of reading local files. Users need none of it.
#pragma once

#include <cstddef>

namespace dataflow::file {

struct Options {
  // Threads for calls on the file system. Streams (standard input, pipes) have one more each.
  std::size_t io_threads = 4;
  // A file is read in pieces of this size, one ahead: two for each open file.
  std::size_t piece_bytes = 1 << 20;
};

}  // namespace dataflow::file
