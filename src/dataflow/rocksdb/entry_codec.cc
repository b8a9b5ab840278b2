#include "dataflow/rocksdb/entry_codec.h"

namespace dataflow::rocksdb {
namespace {

constexpr unsigned kStored = 1u << 0;
constexpr unsigned kRepeated = 1u << 1;
constexpr std::size_t kDirtyBytes = 17;
constexpr std::size_t kStoredBytes = 33;
constexpr std::size_t kRecordHeaderBytes = 1 + kTokenBytes;

}  // namespace

EntryValue::EntryValue(const CacheEntry& entry) {
  const bool stored = entry.state == CacheEntry::State::kStored;
  size_ = stored ? kStoredBytes : kDirtyBytes;
  bytes_[0] = static_cast<char>((stored ? kStored : 0u) | (entry.repeated ? kRepeated : 0u));
  std::memcpy(&bytes_[1], &entry.time, sizeof entry.time);
  std::memcpy(&bytes_[9], &entry.owner, sizeof entry.owner);
  if (stored) std::memcpy(&bytes_[kDirtyBytes], entry.fingerprint.data(), 16);
}

std::optional<CacheEntry> decode_entry(std::string_view value) {
  if (value.empty()) return std::nullopt;
  const auto flags = static_cast<unsigned char>(value[0]);
  const bool stored = (flags & kStored) != 0;
  if ((flags & ~(kStored | kRepeated)) != 0) return std::nullopt;
  if (value.size() != (stored ? kStoredBytes : kDirtyBytes)) return std::nullopt;
  CacheEntry entry;
  entry.state = stored ? CacheEntry::State::kStored : CacheEntry::State::kDirty;
  entry.repeated = (flags & kRepeated) != 0;
  std::memcpy(&entry.time, value.data() + 1, sizeof entry.time);
  std::memcpy(&entry.owner, value.data() + 9, sizeof entry.owner);
  if (stored) std::memcpy(entry.fingerprint.data(), value.data() + kDirtyBytes, 16);
  return entry;
}

std::string encode_record(const ObjectRecord& record) {
  std::string value(1, record.made ? '\1' : '\0');
  value.append(record.token);
  if (record.made) value.append(*record.made);
  return value;
}

std::optional<ObjectRecord> decode_record(std::string_view value) {
  if (value.size() < kRecordHeaderBytes) return std::nullopt;
  ObjectRecord record{std::string(value.substr(1, kTokenBytes)), std::nullopt};
  const std::string_view rest = value.substr(kRecordHeaderBytes);
  if (value[0] == '\1') {
    record.made = rest;
  } else if (value[0] != '\0' || !rest.empty()) {
    return std::nullopt;
  }
  return record;
}

std::string version_of(const Object& object) {
  if (object.version.empty()) return {};
  // A length before each part: no two objects have one string.
  std::string version = std::to_string(object.name.size()) + ":" + object.name;
  version += object.size ? std::to_string(*object.size) : "?";
  version += ":" + object.version;
  return version;
}

}  // namespace dataflow::rocksdb
