#include "dataflow/http/access_log.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <ctime>

namespace dataflow::http {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_printable(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

}  // namespace

void append_access_line(std::string& out, std::string_view time, const AccessEntry& entry) {
  out += time;
  out += ' ';
  out += entry.client.empty() ? "-" : entry.client;
  out += ' ';
  out += entry.method.empty() ? "-" : entry.method;
  out += ' ';
  append_printable(out, entry.target.substr(0, kLongestTarget));
  if (entry.target.empty()) out += '-';
  if (entry.target.size() > kLongestTarget) out += "...";
  out += ' ';
  append_number(out, entry.status);
  out += ' ';
  append_number(out, static_cast<std::int64_t>(entry.bytes));
  out += ' ';
  append_number(out, entry.duration.count());
  out += '\n';
}

std::string access_time(std::chrono::system_clock::time_point now) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since / 1'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.", &utc);
  const std::string milliseconds = std::to_string(1'000 + since % 1'000);
  return std::string(text.data(), length) + milliseconds.substr(1) + "Z";
}

}  // namespace dataflow::http
