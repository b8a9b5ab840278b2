// Goal: objects of any form and in any reads are cut into whole lines, with their numbers and
// places, and long lines into pieces.
#include "dataflow/pipeline/splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/wait.h"
#include "dataflow/pipeline/reader_fixture.h"

namespace dataflow::pipeline {
namespace {

using mock::MemoryFetch;

struct Split {
  std::string text;  // of all blocks, one after another
  std::vector<std::string> long_lines;
  std::size_t blocks = 0;
};

Task<Split> split_all(std::unique_ptr<Reader> reader, SplitterOptions options) {
  Splitter splitter(std::move(reader), options);
  Split result;
  std::uint64_t line = 1;
  bool in_long_line = false;
  for (;;) {
    auto step = co_await splitter.next();
    if (!step) {
      ADD_FAILURE() << step.error().describe();
      co_return result;
    }
    if (std::holds_alternative<EndOfObject>(*step)) co_return result;
    if (auto* piece = std::get_if<LongLinePiece>(&*step)) {
      if (!std::exchange(in_long_line, !piece->last)) result.long_lines.emplace_back();
      result.long_lines.back() += piece->text;
      EXPECT_EQ(piece->line, line);
      if (piece->last) ++line;
      continue;
    }
    const Block& block = std::get<Block>(*step);
    ++result.blocks;
    EXPECT_EQ(block.first_line, line);
    line += static_cast<std::uint64_t>(std::count(block.text().begin(), block.text().end(), '\n'));
    result.text += block.text();
  }
}

TEST(Splitter, EveryLineComesOnceWholeWhateverTheSizes) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    const std::size_t lines = random() % 40;
    for (std::size_t i = 0; i < lines; ++i) text += std::string(random() % 90, 'x') + "\n";
    if (random() % 2 == 0) text += "no newline";
    MemoryFetch fetch;
    fetch.piece = 1 + random() % 70;
    auto reader = mock::wait(open_reader(fetch, "a", text));
    ASSERT_TRUE(reader);
    SplitterOptions options;
    options.block_bytes = 16 + random() % 64;
    options.eager = random() % 2 == 0;
    options.expected_bytes = random() % 2 == 0 ? text.size() : 0;
    const Split split = mock::wait(split_all(std::move(*reader), options));
    EXPECT_EQ(split.text, text);
    EXPECT_TRUE(split.long_lines.empty());
  }
}

TEST(Splitter, LinesOverTheLimitComeInPiecesAndTheOthersInBlocks) {
  std::mt19937 random(4);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    std::size_t over = 0;
    for (int i = 0; i < 20; ++i) {
      const bool long_line = random() % 5 == 0;
      // Far over the limit: a line a little over it may come in a block.
      text += std::string(long_line ? 600 + random() % 300 : random() % 80, 'x') + "\n";
      over += long_line ? 1 : 0;
    }
    MemoryFetch fetch;
    fetch.piece = 1 + random() % 200;
    auto reader = mock::wait(open_reader(fetch, "a", text));
    ASSERT_TRUE(reader);
    SplitterOptions options;
    options.block_bytes = 64;
    options.max_line_bytes = 100;
    const Split split = mock::wait(split_all(std::move(*reader), options));
    EXPECT_EQ(split.long_lines.size(), over);
    std::size_t bytes = split.text.size();
    for (const auto& long_line : split.long_lines) bytes += long_line.size() + 1;
    EXPECT_EQ(bytes, text.size());
  }
}

}  // namespace
}  // namespace dataflow::pipeline
