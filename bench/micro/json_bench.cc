// Writing a product as JSON, as the service does for each answer.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "dataflow/http/json.h"
#include "micro/data.h"

namespace dataflow::bench {
namespace {

void write_json(benchmark::State& state) {
  std::vector<Product> products;
  for (const ProductView& view : parsed().products) products.push_back(to_product(view));
  std::string out;
  std::size_t written = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    out.clear();
    http::append_json(out, products[written % products.size()]);
    benchmark::DoNotOptimize(out.data());
    ++written;
    bytes += out.size();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(written));
}

BENCHMARK(write_json);

}  // namespace
}  // namespace dataflow::bench
