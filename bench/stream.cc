// Writes products to standard output, as fast as it takes them:
//
//   bench_stream [-rows N | -bytes N] [-first-id N]
//
// Ids one after another; without a number it does not end. The last line is whole: with -bytes the
// stream ends at the first end of a line at or after N.
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "products.h"

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::uint64_t kSeed = 7;

struct Arguments {
  std::uint64_t rows = UINT64_MAX;
  std::uint64_t bytes = UINT64_MAX;
  std::uint64_t first_id = 1;
};

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      std::perror("bench_stream: write");
      std::exit(1);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void stream(const Arguments& arguments) {
  const dataflow::bench::ProductLines lines(kSeed);
  std::string buffer;
  std::uint64_t sent = 0;
  for (std::uint64_t row = 0; row < arguments.rows && sent + buffer.size() < arguments.bytes;
       ++row) {
    lines.append(arguments.first_id + row, buffer);
    if (buffer.size() >= kBufferBytes) {
      write_all(buffer);
      sent += buffer.size();
      buffer.clear();
    }
  }
  write_all(buffer);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view word = argv[i];
    std::uint64_t* const target = word == "-rows"       ? &arguments.rows
                                  : word == "-bytes"    ? &arguments.bytes
                                  : word == "-first-id" ? &arguments.first_id
                                                        : nullptr;
    if (target == nullptr || i + 1 == argc) {
      std::fprintf(stderr, "usage: bench_stream [-rows N | -bytes N] [-first-id N]\n");
      return 2;
    }
    *target = std::strtoull(argv[i + 1], nullptr, 10);
  }
  stream(arguments);
}
