// What the embedded database says about itself, in its family kMeta.
#pragma once

#include <string>
#include <string_view>

#include "dataflow/error.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace dataflow::rocksdb {

inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kFormat = "1";
inline constexpr std::string_view kIdentityKey = "identity";
inline constexpr std::string_view kEpochKey = "epoch";
// The cache that is told of what is written to the products (Cache::identity); empty: none.
inline constexpr std::string_view kTrustedCacheKey = "trusted-cache";
// The boot identity of a session that may have acknowledged what the disk has not; empty where it
// ended in order.
inline constexpr std::string_view kSessionKey = "session";
// Which namespace the cache's entries belong to.
inline constexpr std::string_view kNamespaceKey = "cache-namespace";

// Empty where there is no such key.
Result<std::string> read_meta(::rocksdb::DB& db, ::rocksdb::ColumnFamilyHandle* meta,
                              std::string_view path, std::string_view key);

std::string incarnation_of(std::string_view path, std::string_view identity,
                           std::string_view epoch);

std::unexpected<Error> other_format(std::string_view path, std::string_view format);

}  // namespace dataflow::rocksdb
