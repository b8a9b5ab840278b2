// Splitter: cuts the bytes of one object into blocks of whole lines.
//
// A line longer than a block grows the block; a line much longer than the limit is handed over as
// it comes, piece by piece, and never held. (A block may still hold a line over the limit: the
// parser rejects it.) Used by one coroutine at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "dataflow/error.h"
#include "dataflow/fetch.h"
#include "dataflow/pipeline/block.h"
#include "dataflow/task.h"

namespace dataflow::pipeline {

struct SplitterOptions {
  std::size_t block_bytes = 256 * 1024;           // a block's usual size
  std::size_t max_line_bytes = 16 * 1024 * 1024;  // lines are held up to this length
  std::size_t expected_bytes =
      0;               // of the whole object where known: a small one gets a small block
  bool eager = false;  // hand on what a read brought, do not wait for a full block (pipes)
};

// A piece of a line that is over the limit.
struct LongLinePiece {
  std::uint64_t line = 0;  // the line's number
  std::uint64_t byte = 0;  // offset of the line's first byte
  std::string text;        // the piece, without the newline
  bool last = false;       // the line ends with this piece
};

struct EndOfObject {
  std::uint64_t bytes = 0;  // of the whole (decompressed) object
};

using SplitterStep = std::variant<Block, LongLinePiece, EndOfObject>;

class Splitter {
 public:
  Splitter(std::unique_ptr<Reader> reader, SplitterOptions options);

  // The next lines. After EndOfObject or an error it is not called again.
  Task<Result<SplitterStep>> next();

 private:
  bool full() const { return filled_ == capacity_; }
  void reserve(std::size_t bytes);
  SplitterStep cut(std::size_t size);
  SplitterStep long_line_piece();
  std::size_t first_capacity() const;

  std::unique_ptr<Reader> reader_;
  const SplitterOptions options_;
  std::unique_ptr<char[]> memory_;  // capacity_ + kBlockPadding bytes
  std::size_t capacity_ = 0;
  std::size_t filled_ = 0;
  std::size_t searched_ = 0;  // bytes at the beginning known to hold no newline
  bool at_end_ = false;
  bool in_long_line_ = false;
  std::uint64_t long_line_begin_ = 0;
  std::uint64_t line_ = 1;  // number of the line that begins (or goes on) at memory_[0]
  std::uint64_t byte_ = 0;  // offset of memory_[0]
};

}  // namespace dataflow::pipeline
