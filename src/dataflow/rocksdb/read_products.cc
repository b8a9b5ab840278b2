#include "dataflow/rocksdb/read_products.h"

#include <rocksdb/db.h>

#include <algorithm>

#include "dataflow/rocksdb/product_codec.h"
#include "dataflow/rocksdb/status.h"

namespace dataflow::rocksdb {
namespace {

// RocksDB pins the blocks of all values of a call at once.
constexpr std::size_t kMaxReadKeys = 256;

Result<void> read_some(::rocksdb::DB& db, ::rocksdb::ColumnFamilyHandle* products,
                       std::string_view path, std::span<const ProductId> ids,
                       std::span<std::optional<Product>> found) {
  const std::size_t count = ids.size();
  std::vector<ProductKey> keys;
  keys.reserve(count);
  for (const ProductId id : ids) keys.emplace_back(id);
  std::vector<::rocksdb::Slice> slices;
  slices.reserve(count);
  for (const ProductKey& key : keys) slices.emplace_back(key.view());
  std::vector<::rocksdb::PinnableSlice> values(count);
  std::vector<::rocksdb::Status> statuses(count);
  db.MultiGet({}, products, count, slices.data(), values.data(), statuses.data());
  for (std::size_t i = 0; i < count; ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return std::unexpected(error_of(statuses[i], "reading from", path));
    const auto view = decode_product(ids[i], values[i].ToStringView());
    if (!view) return std::unexpected(view.error());
    found[i] = to_product(*view);
  }
  return {};
}

}  // namespace

Result<Product> read_product(::rocksdb::DB& db, ::rocksdb::ColumnFamilyHandle* products,
                             std::string_view path, ProductId id) {
  ::rocksdb::PinnableSlice value;
  const auto status = db.Get({}, products, ProductKey(id).view(), &value);
  if (status.IsNotFound()) {
    return fail(ErrorCode::kNotFound, "there is no product " + std::to_string(id));
  }
  if (!status.ok()) return std::unexpected(error_of(status, "reading from", path));
  const auto view = decode_product(id, value.ToStringView());
  if (!view) return std::unexpected(view.error());
  return to_product(*view);
}

Result<std::vector<std::optional<Product>>> read_products(::rocksdb::DB& db,
                                                          ::rocksdb::ColumnFamilyHandle* products,
                                                          std::string_view path,
                                                          std::span<const ProductId> ids) {
  std::vector<std::optional<Product>> found(ids.size());
  for (std::size_t first = 0; first < ids.size(); first += kMaxReadKeys) {
    const std::size_t count = std::min(kMaxReadKeys, ids.size() - first);
    auto read = read_some(db, products, path, ids.subspan(first, count),
                          std::span(found).subspan(first, count));
    if (!read) return std::unexpected(read.error());
  }
  return found;
}

}  // namespace dataflow::rocksdb
