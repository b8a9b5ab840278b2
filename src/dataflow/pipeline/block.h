// Block: some whole lines of one object, the unit that the stages hand on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace dataflow::pipeline {

// Zeros behind a block's text, so that vector instructions may read past a line's end, and that
// whatever stands at the end of the text ends there. At least simdjson's SIMDJSON_PADDING (checked
// in parser.cc).
inline constexpr std::size_t kBlockPadding = 64;

struct Block {
  std::unique_ptr<char[]> memory;  // at least size + kBlockPadding bytes, zeros behind `size`
  std::size_t size = 0;
  std::uint64_t first_line = 1;  // number of the block's first line in its object
  std::uint64_t first_byte = 0;  // offset of the block's first byte in its (decompressed) object

  std::string_view text() const { return {memory.get(), size}; }
};

}  // namespace dataflow::pipeline
