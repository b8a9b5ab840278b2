// Rows and rejected lines: what parsing makes of the lines of a block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataflow/cache.h"
#include "dataflow/pipeline/arena.h"
#include "dataflow/product.h"

namespace dataflow::pipeline {

// The version of the mapping from lines to rows and fingerprints: a cache filled by another version
// of it is not asked. Raise it whenever a line could become another row or another fingerprint.
inline constexpr std::string_view kMappingVersion = "2";

struct Row {
  ProductView product;  // strings in the block, or in the Rows' arena
  Fingerprint fingerprint{};
  std::uint64_t offset = 0;  // of the line's first byte in the (decompressed) object
};

// A line that is no product.
struct RejectedLine {
  std::uint64_t line = 0;  // 1 is the object's first line
  std::uint64_t byte = 0;  // of the line's first byte in the (decompressed) object, 0 is the first
  std::string_view text;   // the line as it was, without its newline; in the block
  std::string reason;
};

// What the lines of one block became; valid as long as the block.
struct Rows {
  Arena arena;
  std::vector<Row> rows;
  std::vector<RejectedLine> rejected;
  std::uint64_t lines = 0;  // lines that are not blank: rows and rejected ones
};

}  // namespace dataflow::pipeline
