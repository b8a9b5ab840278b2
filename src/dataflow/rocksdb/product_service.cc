#include "dataflow/rocksdb/product_service.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <numeric>

#include "dataflow/rocksdb/product_codec.h"
#include "dataflow/rocksdb/read_products.h"
#include "dataflow/rocksdb/status.h"

namespace dataflow::rocksdb {
namespace {

// One write takes so many bytes of rows, or one row that is larger: a write is copied whole, and
// one that is too large makes the others wait.
constexpr std::size_t kMaxBatchBytes = 1 << 20;

// More rows than these in memory, unsorted, make each read of one of them slow.
constexpr std::uint64_t kMaxUnsortedRows = 4096;

}  // namespace

Task<Result<Product>> ProductService::find(ProductId id) {
  if (auto settled = settle(); !settled) co_return std::unexpected(settled.error());
  co_return read_product(database_->db(), database_->family(Family::kProducts), database_->path(),
                         id);
}

Task<Result<std::vector<std::optional<Product>>>> ProductService::find_many(
    std::span<const ProductId> ids) {
  if (auto settled = settle(); !settled) co_return std::unexpected(settled.error());
  co_return read_products(database_->db(), database_->family(Family::kProducts), database_->path(),
                          ids);
}

Task<Result<void>> ProductService::save_many(std::span<const ProductView> products,
                                             WriteTime /*time*/, std::span<bool> stored) {
  if (stored.size() != products.size()) {
    co_return fail(ErrorCode::kInternal, "`stored` and `products` differ in size");
  }
  co_return save(products, stored);
}

Result<void> ProductService::save(std::span<const ProductView> products, std::span<bool> stored) {
  // In the order of their keys rows go faster into memory: each is looked for near the one before.
  std::vector<std::uint32_t> order(products.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return products[a].id < products[b].id; });

  ::rocksdb::WriteBatch batch;
  std::string value;
  std::size_t first = 0;
  while (first < order.size()) {
    batch.Clear();
    std::size_t next = first;
    for (; next < order.size() && batch.GetDataSize() < kMaxBatchBytes; ++next) {
      const ProductView& product = products[order[next]];
      encode_product(product, value);
      const auto status =
          batch.Put(database_->family(Family::kProducts), ProductKey(product.id).view(), value);
      if (!status.ok()) return std::unexpected(error_of(status, "writing to", database_->path()));
    }
    if (auto written = database_->write(batch); !written) return written;
    for (; first < next; ++first) stored[order[first]] = true;
  }
  return {};
}

Result<void> ProductService::settle() {
  std::uint64_t rows = 0;
  ::rocksdb::ColumnFamilyHandle* products = database_->family(Family::kProducts);
  if (!database_->db().GetIntProperty(
          products, ::rocksdb::DB::Properties::kNumEntriesActiveMemTable, &rows) ||
      rows <= kMaxUnsortedRows) {
    return {};
  }
  const auto status = database_->db().Flush({}, products);
  if (!status.ok()) return std::unexpected(error_of(status, "writing to", database_->path()));
  return {};
}

Task<Result<std::string>> ProductService::incarnation() { co_return database_->incarnation(); }

Task<Result<std::string>> ProductService::trust_cache(std::string_view cache) {
  if (auto begun = database_->begin_epoch_of(cache); !begun) {
    co_return std::unexpected(begun.error());
  }
  co_return database_->incarnation();
}

Task<Result<std::string>> ProductService::disown_caches() {
  if (auto begun = database_->begin_epoch(); !begun) co_return std::unexpected(begun.error());
  co_return database_->incarnation();
}

Task<Result<std::uint64_t>> ProductService::writer_number() { co_return std::uint64_t{0}; }

Task<Result<void>> ProductService::flush() { co_return database_->flush(); }

}  // namespace dataflow::rocksdb
