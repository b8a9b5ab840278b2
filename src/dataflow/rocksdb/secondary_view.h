// SecondaryView: the embedded database of another process, as it was at the last catch_up().
//
// RocksDB's secondary instance (7.8) does the work; what it lacks is here: it does not notice that
// the database was made anew at the same place, and rows that it took from a log stay in front of
// newer ones when the products of that log were written into tables before it had read its end,
// whether the log was deleted or only passed over, as long as no newer one brings rows; and it
// misses a log that is deleted between the reading of the manifest and its own. After the first two
// catch_up() says that the view has to be opened again, after the third to be called again.
//
// Thread safety: catch_up() is called by one thread; the others read meanwhile.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/rocksdb/database.h"

namespace dataflow::rocksdb {

class SecondaryView {
 public:
  // What was written before the call is seen after the next catch_up(). kUnavailable where there is
  // no database (yet); kUnauthorized, kInvalid as Database::open.
  static Result<std::shared_ptr<SecondaryView>> open(const std::string& path,
                                                     std::size_t block_cache_bytes);
  ~SecondaryView();
  SecondaryView(const SecondaryView&) = delete;
  SecondaryView& operator=(const SecondaryView&) = delete;

  enum class State {
    kCurrent,   // it has all that was written before the call
    kBehind,    // rows written since it was last current may not be seen yet: call again
    kOutdated,  // open it again
  };
  State catch_up();

  ::rocksdb::DB& db() const { return *db_; }
  ::rocksdb::ColumnFamilyHandle* products() const { return families_[1]; }
  // As Database::incarnation.
  Result<std::string> incarnation() const;

 private:
  explicit SecondaryView(std::string path);
  Result<std::string> read_meta(std::string_view key) const;
  // The logs that were there before rows were read from them, and after.
  bool may_hide_newer_rows(const std::vector<std::string>& logs_before,
                           const std::vector<std::string>& logs);

  const std::string path_;
  std::string identity_;  // folder_identity() of what was opened
  std::unique_ptr<::rocksdb::DB> db_;
  std::vector<::rocksdb::ColumnFamilyHandle*> families_;
  // How many rows from logs are in memory, and the logs that they may have come from.
  std::uint64_t rows_in_memory_ = 0;
  std::uint64_t newest_table_ = 0;
  std::vector<std::string> their_logs_;
};

}  // namespace dataflow::rocksdb
