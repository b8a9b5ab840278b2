// Writes products without end to a pipe, as fast as it takes them:
//
//   bench_stream [-rows N | -bytes N] [-first-id N]      to standard output
//
// Lines as those of generate.py in length, scripts and escapes, with ids one after another. The
// text of a product comes from a pool that is made at the start; what is left for a line is its id
// and copying. The last line is whole: with -bytes it ends at the first end of a line at or after
// N.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kPool = 8192;
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::uint64_t kUnlimited = UINT64_MAX;

// As JSON holds them.
constexpr std::array<std::string_view, 30> kWords = {
    "ultra",   "soft",      "cotton",     "wireless",       "bluetooth",     "steel",
    "premium", "kids",      "summer",     "winter",         "leather",       "running",
    "classic", "portable",  "smart",      "compact",        "vintage",       "organic",
    "bamboo",  "ergonomic", "adjustable", "café",           "naïve",         "größe",
    "漢字",    "кофе",      "emoji😀",    "\\\"quoted\\\"", "back\\\\slash", "tab\\t"};

std::string words(std::mt19937_64& random, std::size_t least, std::size_t most) {
  std::string text;
  for (std::size_t left = least + random() % (most - least + 1); left > 0; --left) {
    text += kWords[random() % kWords.size()];
    if (left > 1) text += ' ';
  }
  return text;
}

// A line behind its id.
std::string rest_of_line(std::mt19937_64& random) {
  const auto price = std::to_string(1 + random() % 2000) + "." + std::to_string(10 + random() % 90);
  return ", \"title\": \"" + words(random, 3, 8) + "\", \"price\": " + price +
         ", \"category\": \"Home & Kitchen\", \"brand\": \"Ürün\", \"url\": "
         "\"https://shop.example/p/" +
         std::to_string(random()) + "\", \"description\": \"" + words(random, 10, 60) + "\"}\n";
}

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

void stream(std::uint64_t rows, std::uint64_t bytes, std::uint64_t first_id) {
  std::mt19937_64 random(first_id);
  std::vector<std::string> pool(kPool);
  for (std::string& one : pool) one = rest_of_line(random);
  std::string buffer;
  buffer.reserve(2 * kBufferBytes);
  std::uint64_t sent = 0;
  for (std::uint64_t row = 0; row < rows && sent + buffer.size() < bytes; ++row) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, first_id + row).ptr;
    buffer += "{\"id\": ";
    buffer.append(digits, end);
    buffer += pool[(first_id + row) % kPool];
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
  std::uint64_t rows = kUnlimited;
  std::uint64_t bytes = kUnlimited;
  std::uint64_t first_id = 1;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view word = argv[i];
    std::uint64_t* target = word == "-rows"       ? &rows
                            : word == "-bytes"    ? &bytes
                            : word == "-first-id" ? &first_id
                                                  : nullptr;
    if (target == nullptr || i + 1 == argc) {
      std::fprintf(stderr, "usage: bench_stream [-rows N | -bytes N] [-first-id N]\n");
      return 2;
    }
    *target = std::strtoull(argv[i + 1], nullptr, 10);
  }
  stream(rows, bytes, first_id);
}
