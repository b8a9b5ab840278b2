// Arena: memory for the strings of one block's rows, given back all at once. Not thread safe.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace dataflow::pipeline {

class Arena {
 public:
  // `bytes` uninitialised bytes, valid as long as the arena.
  char* allocate(std::size_t bytes) {
    if (bytes > left_) grow(bytes);
    char* result = next_;
    next_ += bytes;
    left_ -= bytes;
    return result;
  }

 private:
  static constexpr std::size_t kChunkBytes = 64 * 1024;

  void grow(std::size_t bytes) {
    const std::size_t size = bytes > kChunkBytes ? bytes : kChunkBytes;
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    next_ = chunks_.back().get();
    left_ = size;
  }

  std::vector<std::unique_ptr<char[]>> chunks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace dataflow::pipeline
