// Writes lines to a descriptor on a thread of its own, so that a slow disk, and a pipe or a
// terminal that nobody reads, never hold up who has something to say.
//
// Thread safe. Lines are dropped, and their number is told in a line that begins with `#`, while
// more than kMaxPending bytes wait for a reader that does not read.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>

namespace dataflow::cmd {

class LineWriter {
 public:
  static constexpr std::size_t kMaxPending = 8 << 20;

  // Writes to the descriptor, which it does not own.
  explicit LineWriter(int descriptor);
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;
  ~LineWriter();  // as end()

  // Hands over whole lines; `lines` is empty afterwards and keeps some memory.
  void write(std::string& lines);

  // Writes what is pending, waiting for a reader that does not read no longer than kLastWait. What
  // comes later is dropped. Not from two threads at once.
  void end();

 private:
  static constexpr std::chrono::milliseconds kLastWait{1'000};

  struct State;
  std::shared_ptr<State> state_;  // the thread's, too, which may have to be left behind
  std::thread thread_;
};

}  // namespace dataflow::cmd
