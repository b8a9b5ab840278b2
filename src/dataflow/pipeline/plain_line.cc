#include "dataflow/pipeline/plain_line.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "dataflow/pipeline/block.h"

namespace dataflow::pipeline {

namespace {

constexpr std::size_t kStep = 16;  // bytes looked at together
static_assert(kStep <= kBlockPadding && kStep <= Arena::kSlack);

// What ends a run of a string's plain characters: a quote, a backslash, a control character. Bit i
// is set where at[i] is one. Copies the bytes to `copy` where there is such.
#ifdef __SSE2__
template <bool kCopy>
std::uint32_t specials(const char* at, [[maybe_unused]] char* copy) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  if constexpr (kCopy) _mm_storeu_si128(reinterpret_cast<__m128i*>(copy), bytes);
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                                       _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(special));
}
#else
template <bool kCopy>
std::uint32_t specials(const char* at, [[maybe_unused]] char* copy) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kStep; ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    if constexpr (kCopy) copy[i] = at[i];
    bits |= std::uint32_t{byte == '"' || byte == '\\' || byte < 0x20} << i;
  }
  return bits;
}
#endif

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What \c stands for; 0 where it is no escape of one character.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> table{};
  table['"'] = '"';
  table['\\'] = '\\';
  table['/'] = '/';
  table['b'] = '\b';
  table['f'] = '\f';
  table['n'] = '\n';
  table['r'] = '\r';
  table['t'] = '\t';
  return table;
}();

constexpr std::uint32_t kNoDigit = 0xffffffff;

constexpr std::array<std::uint32_t, 256> kHexDigits = [] {
  std::array<std::uint32_t, 256> table{};
  table.fill(kNoDigit);
  for (std::uint32_t i = 0; i < 10; ++i) table['0' + i] = i;
  for (std::uint32_t i = 0; i < 6; ++i) table['a' + i] = table['A' + i] = 10 + i;
  return table;
}();

// The number of four hexadecimal digits; more than 0xffff where they are none.
std::uint32_t hex(const char* at) {
  const auto digit = [at](int i) { return kHexDigits[static_cast<unsigned char>(at[i])]; };
  const std::uint32_t a = digit(0), b = digit(1), c = digit(2), d = digit(3);
  return (a | b | c | d) == kNoDigit ? kNoDigit : a << 12 | b << 8 | c << 4 | d;
}

char* append_utf8(char* to, std::uint32_t code) {
  const auto put = [&to](std::uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
  return to;
}

constexpr bool is_high_surrogate(std::uint32_t code) { return code >= 0xd800 && code < 0xdc00; }
constexpr bool is_low_surrogate(std::uint32_t code) { return code >= 0xdc00 && code < 0xe000; }

// Exact as doubles, as are all whole numbers up to kMaxExact: their quotient is the nearest double
// of the decimal number (Clinger, "How to read floating point numbers accurately", 1990).
constexpr std::array kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::uint64_t kMaxExact = std::uint64_t{1} << 53;
constexpr std::ptrdiff_t kMaxDigits = 18;  // never more than 64 bits

// Every function returns false where the line is not plain.
class PlainLine {
 public:
  PlainLine(const char* line, const char* end, Arena& arena, Fields& fields)
      : at_(line), end_(end), arena_(arena), fields_(fields) {}

  const char* read() {
    skip_space();
    if (*at_++ != '{') return nullptr;
    do {
      skip_space();
      if (!field()) return nullptr;
      skip_space();
    } while (*at_++ == ',');
    if (at_[-1] != '}') return nullptr;
    skip_space();
    const bool alone = at_ == end_ || (at_ < end_ && *at_ == '\n');
    const bool product =
        fields_.present[kId] && fields_.present[kTitle] && !fields_.text[kTitle].empty();
    return alone && product ? at_ : nullptr;
  }

 private:
  void skip_space() {
    while (*at_ == ' ' || *at_ == '\t' || *at_ == '\r') ++at_;
  }

  bool field() {
    std::string_view key;
    if (*at_++ != '"' || !plain_string(key)) return false;
    skip_space();
    if (*at_++ != ':') return false;
    skip_space();
    const Column column = column_of(key);
    if (column == kColumns) return ignored_value();
    if (*at_ == 'n') {
      fields_.present[column] = false;
      return word("null");
    }
    fields_.present[column] = true;
    if (column == kId) return id();
    if (column == kPrice) return number(fields_.price);
    return *at_++ == '"' && string(fields_.text[column]);
  }

  bool ignored_value() {
    std::string_view text;
    double value = 0;
    switch (*at_) {
      case '"':
        ++at_;
        return string(text);
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number(value);
    }
  }

  bool word(std::string_view expected) {
    if (std::memcmp(at_, expected.data(), expected.size()) != 0) return false;
    at_ += expected.size();
    return true;
  }

  // Reads digits onto the end of `number`; how many they are is what at_ has moved.
  void digits(std::uint64_t& number) {
    for (; is_digit(*at_); ++at_) number = number * 10 + static_cast<std::uint64_t>(*at_ - '0');
  }

  bool id() {
    const char* const begin = at_;
    std::uint64_t id = 0;
    digits(id);
    const std::ptrdiff_t count = at_ - begin;
    fields_.id = static_cast<ProductId>(id);
    return count > 0 && count <= kMaxDigits && (count == 1 || *begin != '0');
  }

  bool number(double& value) {
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    const char* const begin = at_;
    std::uint64_t all = 0;
    digits(all);
    std::ptrdiff_t count = at_ - begin;
    if (count == 0 || (count > 1 && *begin == '0')) return false;
    std::ptrdiff_t decimals = 0;
    if (*at_ == '.') {
      const char* const point = at_++;
      digits(all);
      decimals = at_ - point - 1;
      if (decimals == 0) return false;
      count += decimals;
    }
    if (count > kMaxDigits || all > kMaxExact) return false;
    value = static_cast<double>(all) / kPowersOfTen[static_cast<std::size_t>(decimals)];
    if (negative) value = -value;
    return true;  // an exponent is what the caller does not expect
  }

  // Behind the opening quote; ends at the first special character.
  const char* end_of_run() const {
    for (const char* at = at_; at < end_; at += kStep) {
      const std::uint32_t bits = specials<false>(at, nullptr);
      if (bits != 0) return at + std::countr_zero(bits);
    }
    return end_;
  }

  bool string_up_to(const char* stop, std::string_view& text) {
    text = {at_, static_cast<std::size_t>(stop - at_)};
    at_ = stop + 1;
    return *stop == '"';
  }

  bool plain_string(std::string_view& text) { return string_up_to(end_of_run(), text); }

  bool string(std::string_view& text) {
    const char* const stop = end_of_run();
    return *stop == '\\' ? escaped_string(stop, text) : string_up_to(stop, text);
  }

  // `escape` is the first backslash.
  bool escaped_string(const char* escape, std::string_view& text) {
    char* const begin = arena_.next();
    char* to = begin + (escape - at_);
    std::memcpy(begin, at_, static_cast<std::size_t>(escape - at_));
    at_ = escape;
    while (*at_ == '\\') {
      if (!unescape(to)) return false;
      for (;;) {
        const std::uint32_t bits = specials<true>(at_, to);
        const auto run = bits != 0 ? static_cast<std::size_t>(std::countr_zero(bits)) : kStep;
        at_ += run;
        to += run;
        if (bits != 0) break;
        if (at_ >= end_) return false;
      }
    }
    if (*at_++ != '"') return false;
    text = arena_.keep(static_cast<std::size_t>(to - begin));
    return true;
  }

  bool unescape(char*& to) {
    const char kind = at_[1];
    if (kind != 'u') {
      *to = kEscapes[static_cast<unsigned char>(kind)];
      at_ += 2;
      return *to++ != 0;
    }
    std::uint32_t code = hex(at_ + 2);
    if (code > 0xffff || is_low_surrogate(code)) return false;
    at_ += 6;
    if (is_high_surrogate(code)) {
      if (at_[0] != '\\' || at_[1] != 'u') return false;
      const std::uint32_t low = hex(at_ + 2);
      if (!is_low_surrogate(low)) return false;
      code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
      at_ += 6;
    }
    to = append_utf8(to, code);
    return true;
  }

  const char* at_;
  const char* const end_;
  Arena& arena_;
  Fields& fields_;
};

}  // namespace

const char* read_plain_line(const char* line, const char* end, Arena& arena, Fields& fields) {
  return PlainLine(line, end, arena, fields).read();
}

}  // namespace dataflow::pipeline
