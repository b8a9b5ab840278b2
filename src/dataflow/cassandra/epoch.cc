#include "dataflow/cassandra/epoch.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <random>
#include <utility>

namespace dataflow::cassandra {
namespace {

// Big-endian integers from the front of `bytes`; nullopt where there are too few.
std::optional<std::uint64_t> take_number(std::string_view& bytes, std::size_t size) {
  if (bytes.size() < size) return std::nullopt;
  std::uint64_t number = 0;
  for (const char byte : bytes.substr(0, size))
    number = number << 8 | static_cast<std::uint8_t>(byte);
  bytes.remove_prefix(size);
  return number;
}

// One element of a collection: its length in 4 bytes, then the bytes.
std::optional<std::string_view> take_element(std::string_view& bytes) {
  const auto size = take_number(bytes, 4);
  if (!size || *size > bytes.size()) return std::nullopt;
  const std::string_view element = bytes.substr(0, *size);
  bytes.remove_prefix(*size);
  return element;
}

constexpr std::string_view kNone = "none";

// A word "cache=<name>" stands beside those of the nodes, whose names are hexadecimal.
constexpr std::string_view kTrusted = "cache=";

// 32 hexadecimal digits.
std::string hash_of(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  return hexadecimal({reinterpret_cast<const char*>(bytes.digest), sizeof bytes.digest});
}

std::string_view take_word(std::string_view& text) {
  const auto end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

std::string to_text(const Epoch& epoch) {
  std::string text = epoch.token;
  if (!epoch.trusted.empty()) text.append(" ").append(kTrusted).append(epoch.trusted);
  for (const auto& [host, time] : epoch.nodes) text += " " + host + "=" + std::to_string(time);
  return text;
}

Epoch parse_epoch(std::string_view text) {
  const Epoch unknown{.token = std::string(text), .trusted = {}, .nodes = {}};
  Epoch epoch{.token = std::string(take_word(text)), .trusted = {}, .nodes = {}};
  while (!text.empty()) {
    const std::string_view word = take_word(text);
    if (word.starts_with(kTrusted)) {
      epoch.trusted = word.substr(kTrusted.size());
      continue;
    }
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) return unknown;
    TruncationTime time = 0;
    const char* end = word.data() + word.size();
    const auto parsed = std::from_chars(word.data() + equals + 1, end, time);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return unknown;
    epoch.nodes.emplace(word.substr(0, equals), time);
  }
  return epoch;
}

std::optional<Epoch> advance(const std::optional<Epoch>& known, const Truncations& answers,
                             std::string_view fresh) {
  bool confirmed = false;
  bool contradicted = false;
  bool any = false;
  for (const auto& [host, time] : answers) {
    any = any || time != kNeverTruncated;
    if (!known) continue;
    const auto recorded = known->nodes.find(host);
    if (recorded == known->nodes.end()) continue;
    (recorded->second == time ? confirmed : contradicted) = true;
  }
  if (!known && !any) return std::nullopt;
  if (!confirmed || contradicted) {
    // Rows that are gone are nobody's secret: the cache stays the one that is told.
    return Epoch{.token = std::string(fresh),
                 .trusted = known ? known->trusted : std::string(),
                 .nodes = answers};
  }
  Epoch next = *known;
  next.nodes.insert(answers.begin(), answers.end());
  return next;
}

std::string changed_token(std::string_view table_id, const std::optional<Epoch>& known,
                          const Truncations& answers) {
  std::string seen(table_id);
  seen.append("\n").append(known ? to_text(*known) : "").append("\n");
  return hash_of(seen + to_text({.token = {}, .trusted = {}, .nodes = answers}));
}

Epoch disowned(const std::optional<Epoch>& known, const Truncations& answers, Fresh fresh) {
  const auto advanced = advance(known, answers, fresh.table);
  Epoch next = advanced ? *advanced : Epoch{.token = {}, .trusted = {}, .nodes = answers};
  next.token = std::string(table_part(advanced)).append("/").append(fresh.caches);
  next.trusted.clear();
  return next;
}

Epoch trusting(const std::optional<Epoch>& known, const Truncations& answers, Fresh fresh,
               std::string_view cache) {
  if (known && known->trusted == cache) {
    if (auto next = advance(known, answers, fresh.table)) return std::move(*next);
  }
  Epoch next = disowned(known, answers, fresh);
  next.trusted = cache;
  return next;
}

std::string cache_name(std::string_view identity) { return hash_of(identity); }

std::string_view table_part(const std::optional<Epoch>& epoch) {
  if (!epoch) return kNone;
  return std::string_view(epoch->token).substr(0, epoch->token.find('/'));
}

std::string_view caches_part(const std::optional<Epoch>& epoch) {
  if (!epoch) return kNone;
  const auto slash = epoch->token.find('/');
  return slash == std::string::npos ? kNone : std::string_view(epoch->token).substr(slash + 1);
}

Result<TruncationTime> truncation_time(std::string_view map, std::string_view table_id) {
  const auto broken = fail(ErrorCode::kInternal, "cannot read system.local.truncated_at",
                           "bytes " + hexadecimal(map));
  const auto count = take_number(map, 4);
  if (!count) return broken;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto id = take_element(map);
    if (!id) return broken;
    auto position = take_element(map);
    if (!position || position->size() < 8) return broken;
    if (*id != table_id) continue;
    position->remove_prefix(position->size() - 8);
    return static_cast<TruncationTime>(*take_number(*position, 8));
  }
  return kNeverTruncated;
}

TruncationTime timestamp_of(std::string_view bytes) {
  const auto time = take_number(bytes, 8);
  return time ? static_cast<TruncationTime>(*time) : kNeverTruncated;
}

std::string fresh_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) {
    const auto word = static_cast<std::uint32_t>(random());
    const char bytes[] = {static_cast<char>(word >> 24), static_cast<char>(word >> 16),
                          static_cast<char>(word >> 8), static_cast<char>(word)};
    token += hexadecimal({bytes, sizeof bytes});
  }
  return token;
}

std::string hexadecimal(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<std::uint8_t>(byte) >> 4];
    text += kDigits[static_cast<std::uint8_t>(byte) & 15];
  }
  return text;
}

}  // namespace dataflow::cassandra
