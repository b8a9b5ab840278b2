// The folder of an embedded database, looked at from outside: before it is opened, and when it is
// held.
#pragma once

#include <string>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::rocksdb {

// The path without links and dots, so that one database has one name.
std::string absolute_path(const std::string& path);

// kInvalid where `path` is a file, a folder with other things than a database (or one that was just
// being made), or in a folder that is not there: a database made among somebody's files would be
// removed with them, or they with it. Whose database it is: see contents.h.
Result<void> check_folder(const std::string& path);

// Who holds the database: "process 4711 (job)", or "another process" where that cannot be found
// out. Not to be called in the process that holds it: looking would release the hold.
std::string holder_of(const std::string& path);

// Whether another process holds it. The same caution.
bool is_locked(const std::string& path);

// What tells a database from one that was made later at the same place: empty where there is none.
std::string folder_identity(const std::string& path);

// The names of what is in it, sorted. kUnavailable, kUnauthorized where it cannot be listed: an
// empty list would say that nothing is there.
Result<std::vector<std::string>> files_in(const std::string& path);

// The same of its logs of writes alone. One that is missing after it was there may have
// gone while a reader was between the manifest, which did not name the table with its rows yet, and
// the logs: the reader has not seen those rows.
Result<std::vector<std::string>> logs_in(const std::string& path);

}  // namespace dataflow::rocksdb
