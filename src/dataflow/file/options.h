// What may be set of reading local files. Users need none of it.
#pragma once

#include <cstddef>

namespace dataflow::file {

struct Options {
  // Threads for calls on the file system. Streams (standard input, pipes) have one more each.
  std::size_t io_threads = 4;
};

}  // namespace dataflow::file
