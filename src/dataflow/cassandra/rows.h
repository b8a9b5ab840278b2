// Products as rows in CQL's binary form, and how large the server takes them to be. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataflow/cassandra/connection.h"
#include "dataflow/error.h"
#include "dataflow/product.h"

namespace dataflow::cassandra {

// The size of the update that saves this product as Cassandra counts it against its batch
// thresholds (PartitionUpdate.dataSize): the values without the key, and kRowOverhead.
//
// kRowOverhead, as of Cassandra 5.0: timestamp of the row 8, row deletion 13, the empty static row
// 21, the partition's deletion 8, and for each of the six cells (a null is one too) timestamp 8,
// time to live 4 and deletion time 8. Older versions take 4 bytes less a cell. Measured: see
// DataSize in save_livetest.cc.
inline constexpr std::size_t kRowOverhead = 8 + 13 + 21 + 8 + 6 * (8 + 4 + 8);
std::size_t data_size(const ProductView& product);

// Rows ready to be saved: kColumns cells each.
struct EncodedRows {
  std::vector<std::uint8_t> bytes;
  std::vector<std::int32_t>
      lengths;  // of each cell; -1: null, so that a dropped field does not survive

  void append(const ProductView& product);
};

// The product of `id` in the next cells of an answer to select_product(); kNotFound where there is
// no such row. kInternal where a cell is not what the table's type promises.
Result<Product> next_product(Rows& rows, ProductId id);

}  // namespace dataflow::cassandra
