#include "dataflow/cassandra/batches.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "dataflow/cassandra/rows.h"

namespace dataflow::cassandra {
namespace {

// "5KiB", "5120B", "5" (of `unit` bytes). A threshold of 0 or less lets nothing pass but single
// rows.
std::optional<std::size_t> size_of(std::string_view text, std::size_t unit) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view suffix(end, text.data() + text.size());
  constexpr std::pair<std::string_view, std::size_t> kUnits[] = {
      {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  if (!suffix.empty()) {
    const auto found =
        std::ranges::find(kUnits, suffix, &std::pair<std::string_view, std::size_t>::first);
    if (found == std::end(kUnits)) return std::nullopt;
    unit = found->second;
  }
  const std::int64_t most =
      std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(unit);
  return static_cast<std::size_t>(std::clamp<std::int64_t>(number, 0, most)) * unit;
}

}  // namespace

void apply_setting(std::string_view name, std::string_view value, BatchLimits& limits) {
  const bool in_kb = name == "batch_size_warn_threshold_in_kb";
  if (in_kb || name == "batch_size_warn_threshold") {
    if (const auto bytes = size_of(value, in_kb ? 1024 : 1)) {
      limits.bytes = std::min(*bytes, kLargestBatch.bytes);
    }
  } else if (name == "unlogged_batch_across_partitions_warn_threshold") {
    if (const auto rows = size_of(value, 1)) {
      limits.rows = std::clamp<std::size_t>(*rows, 1, kLargestBatch.rows);
    }
  }
}

Batches cut_batches(std::span<const ProductView> products, std::span<const std::uint32_t> groups,
                    const BatchLimits& limits) {
  Batches batches;
  batches.order.resize(products.size());
  std::iota(batches.order.begin(), batches.order.end(), 0U);
  if (std::ranges::adjacent_find(groups, std::ranges::not_equal_to{}) != groups.end()) {
    std::ranges::stable_sort(batches.order, {}, [groups](std::uint32_t i) { return groups[i]; });
  }
  std::size_t rows = 0;
  std::size_t bytes = 0;
  for (std::uint32_t next = 0; next < batches.order.size(); ++next) {
    const std::uint32_t row = batches.order[next];
    const std::size_t size = data_size(products[row]);
    const bool full = rows == limits.rows || bytes + size > limits.bytes;
    if (rows > 0 && (full || groups[row] != groups[batches.order[next - 1]])) {
      batches.ends.push_back(next);
      rows = bytes = 0;
    }
    ++rows;
    bytes += size;
  }
  if (rows > 0) batches.ends.push_back(static_cast<std::uint32_t>(batches.order.size()));
  return batches;
}

}  // namespace dataflow::cassandra
