// A Reader over bytes in memory that delivers them in pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "dataflow/fetch.h"

namespace dataflow::fuzz {

class MemoryReader final : public dataflow::Reader {
 public:
  // `bytes` outlive the reader; `piece` is at least 1.
  MemoryReader(std::string_view bytes, std::size_t piece) : left_(bytes), piece_(piece) {}

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    const std::size_t size = std::min({left_.size(), piece_, buffer.size()});
    if (size > 0) std::memcpy(buffer.data(), left_.data(), size);
    left_.remove_prefix(size);
    co_return size;
  }

 private:
  std::string_view left_;
  const std::size_t piece_;
};

}  // namespace dataflow::fuzz
