// Database: the embedded database of one folder, held by one process at a time. The product store
// and the cache live in it side by side, so that what both write is in one order on the disk.
//
// What survives: a write that was acknowledged survives the death of the process at any point; with
// Options::sync, or after flush(), the loss of power as well. When a process died and the machine
// was started again before the next open(), power may have been lost with writes that had been
// acknowledged: the database then gives itself a new epoch, and with it every cache filled before
// is empty.
//
// Calls block for as long as the disk takes; those that find their data in memory take
// microseconds. They are made on the caller's thread: the job runs them on its pool, one block of
// rows a call.
//
// Thread safety: any thread, any time. Memory: bounded by the two budgets of Options and about 20
// MiB more, whatever the size of the database. Errors: see status.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/rocksdb/contents.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Env;
class WriteBatch;
}  // namespace rocksdb

namespace dataflow::rocksdb {

inline constexpr std::size_t kDefaultWriteBufferBytes = 32 << 20;
inline constexpr std::size_t kDefaultBlockCacheBytes = 16 << 20;

struct Options {
  std::string path = "dataflow.db";
  // Whether every write waits until the disk has it.
  bool sync = false;
  // For a dry run: nothing on the disk is changed. Where there is no database, it is as if there
  // were an empty one. Another process may write to it meanwhile: what that had acknowledged before
  // open() is there, what comes later is not seen.
  bool read_only = false;
  // Rows that were written and are not yet in a table, at most.
  std::size_t write_buffer_bytes = kDefaultWriteBufferBytes;
  // Blocks, indexes and filters of tables that are kept for reading, at most.
  std::size_t block_cache_bytes = kDefaultBlockCacheBytes;
  // What the process may use: how many tables are written and merged at the same time.
  std::size_t cpus = 2;
};

// The column families.
enum class Family {
  kMeta,      // format, identity, epoch, session; the cache's namespace
  kProducts,  // id -> row (product_codec.h)
  kRows,      // namespace, id -> what the cache knows of a row (entry_codec.h)
  kObjects,   // namespace, object -> what the cache knows of an object
};

class Database {
 public:
  // Opens the database, makes it where there is none. kConflict when another process holds it
  // (and which, where that can be found out); kInvalid when `path` is something else than a
  // database.
  static Result<std::shared_ptr<Database>> open(Options options);

  // Marks the session as ended in order. To be closed after everything that uses it.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Makes everything written so far survive a loss of power.
  Result<void> flush();

  // "rocksdb:<absolute path>\n<identity>.<epoch>": the first line stays, the second changes when
  // the database is made anew and when it gets a new epoch.
  std::string incarnation() const;
  // A new epoch, in which `trusted` (Cache::identity; empty: none) is the cache that is told of
  // what is written; none where it was that one already.
  Result<void> begin_epoch_of(std::string_view trusted);
  // A new epoch in any case, in which no cache is trusted.
  Result<void> begin_epoch();
  // Stays as long as the database does.
  const std::string& identity() const { return identity_; }

  const std::string& path() const { return path_; }

  // For the classes of this folder.
  ::rocksdb::DB& db() const { return *db_; }
  ::rocksdb::ColumnFamilyHandle* family(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }
  // All of the batch or nothing of it, acknowledged as Options::sync says. Once a write has failed
  // every later one fails as it did, until the database is opened again.
  Result<void> write(::rocksdb::WriteBatch& batch);
  // Empty where there is no such key.
  Result<std::string> read_meta(std::string_view key) const;

 private:
  explicit Database(Options options);
  Result<void> open_files(Contents contents);
  Result<void> open_files_for_reading();
  Result<void> open_imagined();
  void close_files();
  Result<void> begin_session();
  Result<void> note_session(const std::string& boot);
  Result<void> end_session();
  Result<void> write_meta(std::string_view key, std::string_view value);
  Result<void> write_epoch(std::string_view trusted);
  Result<void> write_to(::rocksdb::WriteBatch& batch, bool sync);
  Result<void> check_writable() const;

  const Options options_;
  std::string path_;                        // absolute
  std::unique_ptr<::rocksdb::Env> memory_;  // of the empty database that is only imagined
  std::unique_ptr<::rocksdb::DB> db_;
  std::vector<::rocksdb::ColumnFamilyHandle*> families_;
  std::string identity_;
  mutable std::mutex mutex_;  // of what follows
  std::uint64_t epoch_ = 0;
  std::optional<Error> failure_;  // of the first write that failed
};

}  // namespace dataflow::rocksdb
