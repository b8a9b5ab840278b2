// How the cache's entries and records stand in the embedded database.
//
// Key: 8 bytes of the namespace, 8 bytes of the row's or the object's id, both big-endian.
// Value of a row (33 bytes; 17 where it is dirty):
//   1 byte    bit 0: stored (else dirty), bit 1: repeated
//   8 bytes   write time, 8 bytes owner, little-endian
//   16 bytes  fingerprint, where it is stored
// Value of an object:
//   1 byte    1 where the record is made, 0 where it is being made
//   8 bytes   token
//   the rest  what identifies the version (see version_of), where the record is made
// Another form is another kFormatVersion: it is part of the namespace, so old entries are not seen.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "dataflow/cache.h"
#include "dataflow/rocksdb/product_codec.h"

namespace dataflow::rocksdb {

inline constexpr std::string_view kEntryFormatVersion = "1";

using Namespace = std::uint64_t;

// The key of a row or of an object.
class EntryKey {
 public:
  EntryKey() = default;
  EntryKey(Namespace space, std::uint64_t id) {
    const std::uint64_t parts[2] = {big_endian(space), big_endian(id)};
    std::memcpy(bytes_.data(), parts, sizeof parts);
  }
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, 16> bytes_{};
};

// The bytes of an entry; `entry` is stored or dirty.
class EntryValue {
 public:
  explicit EntryValue(const CacheEntry& entry);
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 33> bytes_;
  std::size_t size_;
};

// nullopt where the bytes are no entry.
std::optional<CacheEntry> decode_entry(std::string_view value);

struct ObjectRecord {
  std::string token;  // kTokenBytes
  std::optional<std::string> made;
};
inline constexpr std::size_t kTokenBytes = 8;

std::string encode_record(const ObjectRecord& record);
std::optional<ObjectRecord> decode_record(std::string_view value);

// Name, size and version in one string; empty for an object that has no version.
std::string version_of(const Object& object);

}  // namespace dataflow::rocksdb
