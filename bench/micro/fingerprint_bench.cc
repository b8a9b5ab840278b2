// The fingerprint: what hashing a row's canonical bytes costs of the time that parsing it takes.
// The parser does it in line, so here is the hash alone, over as many bytes a row.
#include <benchmark/benchmark.h>
#include <xxhash.h>

#include <string>
#include <vector>

#include "micro/data.h"

namespace dataflow::bench {
namespace {

// Of the numbers and lengths before a row's strings (pipeline/parser.cc).
constexpr std::size_t kHeaderBytes = 7 * sizeof(std::uint64_t);

std::vector<std::string> canonical_rows() {
  std::vector<std::string> rows;
  for (const ProductView& product : parsed().products) {
    std::string row(kHeaderBytes, '\0');
    row += product.title;
    for (const auto& text : {product.category, product.brand, product.url, product.description}) {
      row += text.value_or("");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void fingerprint(benchmark::State& state) {
  const std::vector<std::string> rows = canonical_rows();
  std::size_t bytes = 0;
  for (const std::string& row : rows) bytes += row.size();
  for (auto _ : state) {
    for (const std::string& row : rows) {
      benchmark::DoNotOptimize(XXH3_128bits(row.data(), row.size()));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows.size()));
}

BENCHMARK(fingerprint)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dataflow::bench
