// The embedded product store: ProductService over a Database.
//
// Reads and writes are made inline, on the executor of the caller. What is in memory comes in
// microseconds, and handing such work to another thread costs more than the work; what has to come
// from the disk blocks the thread for as long as the disk takes. The job saves on its pool, a block
// of rows a call.
//
// Rows have no write times here: the last save of an id holds, and the caller does not let two
// overlap. A save is acknowledged when the operating system has it (Options::sync: when the disk
// has it), so the death of the process loses nothing acknowledged; flush() makes it all survive a
// loss of power.
#pragma once

#include <memory>

#include "dataflow/product_service.h"
#include "dataflow/rocksdb/database.h"

namespace dataflow::rocksdb {

class ProductService : public dataflow::ProductService {
 public:
  explicit ProductService(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override;
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override;
  Task<Result<std::string>> incarnation() override;
  Task<Result<std::string>> trust_cache(std::string_view cache) override;
  Task<Result<std::string>> disown_caches() override;
  // Always 0: one process at a time can write, and there are no write times that could be equal.
  Task<Result<std::uint64_t>> writer_number() override;
  Task<Result<void>> flush() override;

 private:
  // Rows that were saved wait unsorted in memory (tuning.cc); many of them are written to a table
  // before one is read. Made for loading; to read while the database is loaded there is the
  // secondary.
  Result<void> settle();
  Result<void> save(std::span<const ProductView> products, std::span<bool> stored);

  std::shared_ptr<Database> database_;
};

}  // namespace dataflow::rocksdb
