// SecondaryProductService: reads the embedded database while another process, the job, writes it.
//
// What was written a second ago is seen. The database may be absent, appear, be compacted, be left
// by a killed job and taken up by the next, be removed and made anew: find() tells kUnavailable
// while there is none, and goes on within a second after there is one. Nothing is written to its
// folder or anywhere else: permission to read is enough.
//
// Following costs time in proportion to what was written, so it is done by a thread of its own, and
// only when somebody reads (and every few seconds, to let go of files that were deleted). A read
// that finds the view fresh enough runs inline on the caller's executor; one that does not waits
// for the thread without blocking. Thread safety: as ProductService; all tasks must have ended
// before it is destroyed.
#pragma once

#include <chrono>
#include <memory>

#include "dataflow/product_service.h"
#include "dataflow/rocksdb/database.h"

namespace dataflow::rocksdb {

struct SecondaryOptions {
  std::string path = "dataflow.db";
  std::size_t block_cache_bytes = kDefaultBlockCacheBytes;
  // A view older than this is renewed in the background by a read ...
  std::chrono::milliseconds refresh_after{200};
  // ... and one older than this is not read from any more.
  std::chrono::milliseconds wait_after{500};
  // Without reads, it is renewed after so long.
  std::chrono::milliseconds refresh_when_idle{5000};
};

class SecondaryProductService : public dataflow::ProductService {
 public:
  // Without I/O on the caller's thread: the database is opened by the first reads.
  explicit SecondaryProductService(SecondaryOptions options);
  ~SecondaryProductService() override;

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override;
  Task<Result<std::string>> incarnation() override;
  // This is a view of somebody else's database: all four are kUnauthorized.
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override;
  Task<Result<std::string>> trust_cache(std::string_view cache) override;
  Task<Result<std::string>> disown_caches() override;
  Task<Result<std::uint64_t>> writer_number() override;
  // There is nothing of its own to be flushed.
  Task<Result<void>> flush() override;

 private:
  class Follower;
  std::unique_ptr<Follower> follower_;
};

}  // namespace dataflow::rocksdb
