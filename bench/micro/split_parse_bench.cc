// Split and parse: from bytes as they come from a source to rows with fingerprints, on one thread.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "dataflow/fetch.h"
#include "dataflow/pipeline/parser.h"
#include "dataflow/pipeline/splitter.h"
#include "micro/data.h"

namespace dataflow::bench {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{16} << 20;

// The text as a source that has everything at hand.
class TextReader final : public Reader {
 public:
  explicit TextReader(std::string_view text) : left_(text) {}

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    const std::size_t size = std::min(buffer.size(), left_.size());
    std::memcpy(buffer.data(), left_.data(), size);
    left_.remove_prefix(size);
    co_return size;
  }

 private:
  std::string_view left_;
};

// `parse` is false to see what splitting alone takes.
Task<void> read_all(bool parse, std::size_t& rows) {
  pipeline::Splitter splitter(std::make_unique<TextReader>(text()), {});
  pipeline::Parser parser(kMaxLineBytes);
  while (true) {
    auto step = co_await splitter.next();
    if (!step || std::holds_alternative<pipeline::EndOfObject>(*step)) co_return;
    const auto& block = std::get<pipeline::Block>(*step);
    if (parse) {
      rows += parser.parse(block).rows.size();
    } else {
      const auto lines = std::count(block.text().begin(), block.text().end(), '\n');
      rows += static_cast<std::size_t>(lines);
    }
  }
}

void split(benchmark::State& state, bool parse) {
  std::size_t rows = 0;
  for (auto _ : state) {
    boost::asio::io_context io;
    boost::asio::co_spawn(io, read_all(parse, rows), boost::asio::detached);
    io.run();
  }
  if (rows != parsed().rows.rows.size() * static_cast<std::size_t>(state.iterations())) {
    state.SkipWithError("not every line became a row");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text().size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
}

BENCHMARK_CAPTURE(split, and_count, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(split, and_parse, true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dataflow::bench
