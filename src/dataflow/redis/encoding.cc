#include "dataflow/redis/encoding.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <random>

namespace dataflow::redis {
namespace {

constexpr std::size_t kTimeAt = 0;
constexpr std::size_t kOwnerAt = 8;
constexpr std::size_t kFingerprintAt = 16;
constexpr std::size_t kFlagsAt = 32;
constexpr std::uint8_t kRepeated = 1;
constexpr std::uint8_t kDirty = 2;

constexpr std::size_t kNameSize = 11;  // of 62 characters: 65 bits
constexpr std::string_view kNameCharacters =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void put(std::uint64_t number, char* to) {
  if constexpr (std::endian::native == std::endian::little) number = std::byteswap(number);
  std::memcpy(to, &number, sizeof number);
}

std::uint64_t get(const char* from) {
  std::uint64_t number = 0;
  std::memcpy(&number, from, sizeof number);
  if constexpr (std::endian::native == std::endian::little) number = std::byteswap(number);
  return number;
}

std::string hex(std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= 4) {
    *digit = kDigits[number & 15];
  }
  return text;
}

std::string hash(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return hex(hash.high64) + hex(hash.low64);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Cuts off what stands before the next colon; everything where there is none.
std::string_view cut(std::string_view& text) {
  const auto colon = text.find(':');
  const std::string_view part = text.substr(0, colon);
  text = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  return part;
}

}  // namespace

void encode(const CacheEntry& entry, std::span<char> bytes) {
  char* to = bytes.data();
  put(static_cast<std::uint64_t>(entry.time), to + kTimeAt);
  put(entry.owner, to + kOwnerAt);
  put(entry.fingerprint[0], to + kFingerprintAt);
  put(entry.fingerprint[1], to + kFingerprintAt + 8);
  to[kFlagsAt] = static_cast<char>((entry.repeated ? kRepeated : 0) |
                                   (entry.state == CacheEntry::State::kDirty ? kDirty : 0));
}

CacheEntry decode(std::string_view bytes) {
  if (bytes.size() != kEntryBytes) return {};
  const char* from = bytes.data();
  const auto flags = static_cast<std::uint8_t>(from[kFlagsAt]);
  return {.state = (flags & kDirty) != 0 ? CacheEntry::State::kDirty : CacheEntry::State::kStored,
          .repeated = (flags & kRepeated) != 0,
          .fingerprint = {get(from + kFingerprintAt), get(from + kFingerprintAt + 8)},
          .time = static_cast<WriteTime>(get(from + kTimeAt)),
          .owner = get(from + kOwnerAt)};
}

std::optional<WriteTime> decode_time(std::string_view bytes) {
  if (bytes.size() != sizeof(WriteTime)) return std::nullopt;
  return static_cast<WriteTime>(get(bytes.data()));
}

std::string pointer_key(std::string_view incarnation, std::string_view run_id) {
  std::string subject(kFormatVersion);
  subject.append("\n").append(run_id).append("\n").append(incarnation);
  return "dataflow:cache:" + hash(subject);
}

std::string registry_key(std::string_view incarnation) {
  return "dataflow:caches:" + hash(incarnation.substr(0, incarnation.find('\n')));
}

std::string row_prefix(std::string_view name) {
  return std::string("dataflow:").append(name).append(":");
}

std::string record_prefix(std::string_view name) { return row_prefix(name) + "o"; }

std::string record_key(std::string_view name, ObjectId object) {
  return record_prefix(name) + hex(object);
}

std::string random_name() {
  std::random_device device;
  std::uniform_int_distribution<std::size_t> character(0, kNameCharacters.size() - 1);
  std::string name(kNameSize, '0');
  std::ranges::generate(name, [&] { return kNameCharacters[character(device)]; });
  return name;
}

bool is_name(std::string_view text) {
  return text.size() == kNameSize &&
         text.find_first_not_of(kNameCharacters) == std::string_view::npos;
}

std::string_view info_field(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const auto end = info.find('\n');
    std::string_view line = info.substr(0, end);
    info = end == std::string_view::npos ? std::string_view{} : info.substr(end + 1);
    if (!line.starts_with(name) || line.size() == name.size() || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  return {};
}

std::optional<Statistics> parse_statistics(std::string_view info) {
  const auto evicted = number(info_field(info, "evicted_keys"));
  if (!evicted) return std::nullopt;
  // A server that does not count it is not noticed when its counters are reset.
  return Statistics{*evicted, number(info_field(info, "total_net_input_bytes")).value_or(0)};
}

std::string make_token(const Statistics& statistics) {
  return random_name() + ":" + std::to_string(statistics.evicted_keys) + ":" +
         std::to_string(statistics.input_bytes);
}

std::optional<Token> parse_token(std::string_view token) {
  Token parts;
  parts.name = cut(token);
  parts.evicted_keys = cut(token);
  parts.input_bytes = token;
  if (!is_name(parts.name) || !number(parts.evicted_keys) || !number(parts.input_bytes)) {
    return std::nullopt;
  }
  return parts;
}

std::string version_of(const Object& object) {
  return (object.size ? std::to_string(*object.size) : "-") + ":" + object.version;
}

std::string open_record(std::string_view token) { return std::string("open:").append(token); }

std::optional<Record> parse_done_record(std::string_view value) {
  if (cut(value) != "done" || !is_name(cut(value))) return std::nullopt;
  const auto evicted = number(cut(value));
  const auto input = number(cut(value));
  if (!evicted || !input) return std::nullopt;
  return Record{{*evicted, *input}, value};
}

}  // namespace dataflow::redis
