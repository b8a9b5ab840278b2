// RocksDB's statuses as the domain's errors; the one place where they are mapped.
#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "dataflow/error.h"

namespace dataflow::rocksdb {

// `what` says what was tried, to go on after it: "reading from" or "opening"; `path` names the
// database. For a status that is not OK. kInternal: damaged; kUnauthorized: no permission;
// kUnavailable: no room, a failing disk, too many files; kInvalid: not a database of this version.
Error error_of(const ::rocksdb::Status& status, std::string_view what, std::string_view path);

}  // namespace dataflow::rocksdb
