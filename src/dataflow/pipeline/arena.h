// Arena: memory for the strings of one block's rows that cannot be views of the block, given back
// all at once. Not thread safe.
//
// No string becomes longer when its escapes are undone, so all strings of a block together are no
// longer than the block: one piece of memory is enough, and most of it is never touched.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace dataflow::pipeline {

class Arena {
 public:
  // Bytes that may be written behind what is asked for: whoever copies by vectors writes whole
  // ones.
  static constexpr std::size_t kSlack = 64;

  // For strings of at most `bytes` together. Takes no memory before the first one.
  explicit Arena(std::size_t bytes = 0) : bytes_(bytes) {}

  // Where the next string goes; keep() makes it one.
  char* next() {
    if (memory_ == nullptr) memory_ = std::make_unique_for_overwrite<char[]>(bytes_ + kSlack);
    return memory_.get() + used_;
  }
  // The `size` bytes written at next() stay, as long as the arena.
  std::string_view keep(std::size_t size) {
    const std::string_view text(memory_.get() + used_, size);
    used_ += size;
    return text;
  }

  // Undoes what was kept since used() was `used`.
  std::size_t used() const { return used_; }
  void rewind(std::size_t used) { used_ = used; }

 private:
  std::size_t bytes_;
  std::size_t used_ = 0;
  std::unique_ptr<char[]> memory_;
};

}  // namespace dataflow::pipeline
