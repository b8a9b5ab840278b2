// The share of one answer in the memory that answers may hold until their clients have taken them.
//
// Small answers are not counted: they fit what the system takes at once, and http.max_connections
// limits them. An answer that is alone may be larger than the limit: every product can be served.
#pragma once

#include <atomic>
#include <cstddef>

namespace dataflow::http {

inline constexpr std::size_t kSmallAnswer = 16 * 1'024;

class UnsentBytes {
 public:
  // Takes `bytes` of what `limit` leaves of `total`, until it is destroyed.
  UnsentBytes(std::atomic<std::size_t>& total, std::size_t limit, std::size_t bytes)
      : total_(total), bytes_(bytes > kSmallAnswer ? bytes : 0) {
    if (bytes_ == 0) return;
    const std::size_t before = total_.fetch_add(bytes_, std::memory_order_relaxed);
    has_room_ = before == 0 || before + bytes_ <= limit;
    if (!has_room_) release();
  }
  UnsentBytes(const UnsentBytes&) = delete;
  UnsentBytes& operator=(const UnsentBytes&) = delete;
  ~UnsentBytes() { release(); }

  bool has_room() const { return has_room_; }

 private:
  void release() {
    if (bytes_ > 0) total_.fetch_sub(bytes_, std::memory_order_relaxed);
    bytes_ = 0;
  }

  std::atomic<std::size_t>& total_;
  std::size_t bytes_;
  bool has_room_ = true;
};

}  // namespace dataflow::http
