// How the tables of the embedded database are set up, and the limits behind it.
//
// Measured with bench/embedded_store.cc.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <vector>

#include "dataflow/rocksdb/database.h"

namespace dataflow::rocksdb {

// The names of the column families, in the order of Family.
inline constexpr const char* kFamilyNames[] = {"default", "products", "rows", "objects"};
inline constexpr std::size_t kFamilies = std::size(kFamilyNames);

::rocksdb::DBOptions database_options(const Options& options);

// One description for each family, in order; tables share a block cache of
// options.block_cache_bytes.
std::vector<::rocksdb::ColumnFamilyDescriptor> family_options(const Options& options);

// For reading a database that this process does not write. It keeps every table open
// (max_open_files -1, required of secondaries): the writer may delete one that is still read. No
// log of events anywhere.
::rocksdb::DBOptions reader_options();

// `families` with buffers that rows from the log of writes can be read from at once.
std::vector<::rocksdb::ColumnFamilyDescriptor> reader_families(
    std::vector<::rocksdb::ColumnFamilyDescriptor> families);

}  // namespace dataflow::rocksdb
