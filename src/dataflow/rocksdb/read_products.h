// Reading products from the embedded database, for the one that writes it and the one that follows
// it.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/product.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace dataflow::rocksdb {

// kNotFound where there is none. `path` is for messages.
Result<Product> read_product(::rocksdb::DB& db, ::rocksdb::ColumnFamilyHandle* products,
                             std::string_view path, ProductId id);

// One element for each id, in order.
Result<std::vector<std::optional<Product>>> read_products(::rocksdb::DB& db,
                                                          ::rocksdb::ColumnFamilyHandle* products,
                                                          std::string_view path,
                                                          std::span<const ProductId> ids);

}  // namespace dataflow::rocksdb
