// What RocksDB tells of its own work: warnings and errors.
//
// Its own log of events is of no use here: in Debian's build, whose assertions are on, it ends the
// process when it cannot write (a full disk) and has something more to say. These lose what they
// cannot write.
//
// Thread safe.
#pragma once

#include <rocksdb/env.h>

#include <memory>
#include <string>

namespace dataflow::rocksdb {

// Into the file LOG of `folder`, a line an event, made when there is a first one; when a process
// finds it large, it begins anew and keeps the one before as LOG.old.
std::shared_ptr<::rocksdb::Logger> event_log(const std::string& folder);

// Nowhere.
std::shared_ptr<::rocksdb::Logger> no_log();

}  // namespace dataflow::rocksdb
