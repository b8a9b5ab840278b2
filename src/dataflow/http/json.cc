#include "dataflow/http/json.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>

namespace dataflow::http {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = kOnes << 7;

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

// Whether one of eight bytes needs an escape: the classic tests for "less than n" and "equal to n"
// in every byte at once (Bit Twiddling Hacks, "determine if a word has a byte less than n").
bool any_needs_escape(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  const auto has_zero = [](std::uint64_t x) { return (x - kOnes) & ~x; };
  const std::uint64_t control = (word - kOnes * 0x20) & ~word;
  const std::uint64_t quote = has_zero(word ^ (kOnes * '"'));
  const std::uint64_t backslash = has_zero(word ^ (kOnes * '\\'));
  return ((control | quote | backslash) & kHighBits) != 0;
}

// The length of the part at the beginning of `text` that can be copied as it is.
std::size_t plain_prefix(std::string_view text) {
  std::size_t length = 0;
  while (length + 8 <= text.size() && !any_needs_escape(text.data() + length)) length += 8;
  while (length < text.size() && !needs_escape(text[length])) ++length;
  return length;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
  }
}

void append_text(std::string& out, std::string_view key, const std::optional<std::string>& text) {
  out += key;
  if (text) {
    append_json_string(out, *text);
  } else {
    out += "null";
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (true) {
    const std::size_t plain = plain_prefix(text);
    out.append(text.substr(0, plain));
    if (plain == text.size()) break;
    append_escape(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

void append_json_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  if (number == 0 && std::signbit(number)) {
    out += "-0.0";  // "-0" is an integer to many readers, and their integers have no negative zero
    return;
  }
  char digits[32];  // the longest double has 24 characters
  // The shortest text may be that of an integer, which readers take for one: not beyond 64 bits.
  constexpr double kTwoTo63 = 9223372036854775808.0;
  const auto end =
      std::abs(number) < kTwoTo63
          ? std::to_chars(digits, digits + sizeof digits, number).ptr
          : std::to_chars(digits, digits + sizeof digits, number, std::chars_format::scientific)
                .ptr;
  out.append(digits, end);
}

void append_json(std::string& out, const Product& product) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, product.id).ptr;
  out += "{\"id\":";
  out.append(digits, end);
  out += ",\"title\":";
  append_json_string(out, product.title);
  out += ",\"price\":";
  if (product.price) {
    append_json_number(out, *product.price);
  } else {
    out += "null";
  }
  append_text(out, ",\"category\":", product.category);
  append_text(out, ",\"brand\":", product.brand);
  append_text(out, ",\"url\":", product.url);
  append_text(out, ",\"description\":", product.description);
  out += '}';
}

}  // namespace dataflow::http
