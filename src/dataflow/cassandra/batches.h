// How rows are cut into batches that the server likes. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dataflow/product.h"

namespace dataflow::cassandra {

// What a batch may hold before the server logs a warning about it. A row that is larger goes alone.
struct BatchLimits {
  std::size_t bytes = 5 * 1024;  // as data_size() counts
  std::size_t rows = 10;         // each row is a partition of its own

  friend bool operator==(const BatchLimits&, const BatchLimits&) = default;
};

// Ours where an operator has raised the server's: a larger batch saves nothing more and costs more
// to repeat.
inline constexpr BatchLimits kLargestBatch{.bytes = 128 * 1024, .rows = 100};

// Lowers or raises `limits` by one line of system_views.settings; names it does not know change
// nothing.
void apply_setting(std::string_view name, std::string_view value, BatchLimits& limits);

// The names that apply_setting() knows, of all versions, as a CQL list.
inline constexpr std::string_view kSettingNames =
    "'batch_size_warn_threshold', 'batch_size_warn_threshold_in_kb', "
    "'unlogged_batch_across_partitions_warn_threshold'";

// Batches of row numbers: batch i is order[ends[i - 1]] to order[ends[i] - 1].
struct Batches {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> ends;

  std::size_t size() const { return ends.size(); }
  std::span<const std::uint32_t> operator[](std::size_t i) const {
    const std::uint32_t begin = i == 0 ? 0 : ends[i - 1];
    return std::span(order).subspan(begin, ends[i] - begin);
  }
};

// Cuts `products` so that each batch holds rows of one replica group (groups[i] is that of
// products[i]) and keeps within the limits.
Batches cut_batches(std::span<const ProductView> products, std::span<const std::uint32_t> groups,
                    const BatchLimits& limits);

}  // namespace dataflow::cassandra
