// Batches for Cassandra: cutting rows into them, and writing them in CQL's binary form.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <span>
#include <vector>

#include "dataflow/cassandra/batches.h"
#include "dataflow/cassandra/rows.h"
#include "micro/data.h"

namespace dataflow::bench {
namespace {

using cassandra::BatchLimits;

// As many rows as one block of the pipeline holds.
constexpr std::size_t kRowsAtOnce = 512;

std::span<const ProductView> some(std::size_t first) {
  const std::span<const ProductView> all = parsed().products;
  return all.subspan(first, std::min(kRowsAtOnce, all.size() - first));
}

// `groups`: how many replica groups the rows fall into.
void cut(benchmark::State& state) {
  const auto groups_wanted = static_cast<std::uint32_t>(state.range(0));
  std::vector<std::uint32_t> groups(kRowsAtOnce);
  for (std::uint32_t i = 0; i < kRowsAtOnce; ++i) groups[i] = i % groups_wanted;
  std::size_t rows = 0;
  for (auto _ : state) {
    const auto products = some(rows % (parsed().products.size() - kRowsAtOnce));
    benchmark::DoNotOptimize(cassandra::cut_batches(products, groups, BatchLimits{}));
    rows += products.size();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
}

void encode(benchmark::State& state) {
  constexpr std::size_t kRowsABatch = 9;
  std::size_t rows = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    cassandra::EncodedRows encoded;
    const std::size_t first = rows % (parsed().products.size() - kRowsABatch);
    for (std::size_t i = 0; i < kRowsABatch; ++i) encoded.append(parsed().products[first + i]);
    benchmark::DoNotOptimize(encoded.bytes.data());
    bytes += encoded.bytes.size();
    rows += kRowsABatch;
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
}

BENCHMARK(cut)->ArgName("groups")->Arg(1)->Arg(12);
BENCHMARK(encode);

}  // namespace
}  // namespace dataflow::bench
