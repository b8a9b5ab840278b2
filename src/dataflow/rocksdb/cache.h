// The embedded cache: Cache over a Database, beside the embedded store or alone in front of another
// one.
//
// Its entries belong to a namespace: a hash of the incarnation it was opened for, of the database's
// own incarnation (a loss of power may have taken entries back, see Database) and of the format of
// the entries. Those of another namespace are deleted when it is opened.
//
// Nothing is ever evicted: still_trustworthy() is true. One process holds the database, so a mutex
// makes forget(), remember() and end_object() one step each. What an entry and the records of
// objects become is written in one batch: both or nothing of it.
//
// Of several begin_object() of one object the last holds; the tokens before it are worth nothing.
// A dirty entry keeps the owner it had.
//
// Calls are made inline on the caller's executor, as those of ProductService.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "dataflow/cache.h"
#include "dataflow/rocksdb/database.h"
#include "dataflow/rocksdb/entry_codec.h"

namespace dataflow::rocksdb {

class Cache : public dataflow::Cache {
 public:
  explicit Cache(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Task<Result<std::string>> identity() override;
  Task<Result<void>> open(std::string_view incarnation, Mode mode = Mode::kReadWrite) override;
  Task<Result<void>> find(std::span<const ProductId> ids, std::span<CacheEntry> entries) override;
  Task<Result<WriteTime>> forget(std::span<const ProductId> ids, Making making,
                                 WriteTime time) override;
  Task<Result<std::size_t>> remember(std::span<const ProductId> ids,
                                     std::span<const CacheEntry> entries, Making making) override;
  Task<Result<std::vector<bool>>> find_objects(std::span<const Object> objects) override;
  Task<Result<std::string>> begin_object(ObjectId object) override;
  Task<Result<bool>> end_object(const Object& object, std::string_view token) override;
  Task<Result<bool>> still_trustworthy() override;

 private:
  class Change;

  Result<void> open_namespace(std::string_view incarnation, Mode mode);
  Result<void> find_some(std::span<const ProductId> ids, std::span<CacheEntry> entries) const;
  Result<WriteTime> forget_some(std::span<const ProductId> ids, Making making, WriteTime time);
  Result<std::size_t> remember_some(std::span<const ProductId> ids,
                                    std::span<const CacheEntry> entries, Making making);
  Result<std::vector<bool>> find_records(std::span<const Object> objects) const;
  // nullopt where there is none.
  Result<std::optional<ObjectRecord>> read_record(ObjectId object) const;
  // Whether the record is being made under this token.
  Result<bool> is_mark(Making making) const;
  Result<std::string> begin_record(ObjectId object);
  Result<bool> end_record(const Object& object, std::string_view token);
  Result<void> check_open() const;

  std::shared_ptr<Database> database_;
  std::atomic<std::uint64_t> namespace_{0};  // 0: not open
  std::mutex step_;                          // held over every read-modify-write
};

}  // namespace dataflow::rocksdb
