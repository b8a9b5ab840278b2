// AdaptiveLimit: how many requests are under way at once, as many as do the server good.
//
// The limit grows while latency holds, and shrinks when latency rises or the server is overloaded:
// - The mean latency of a window of answers is compared with the lowest one seen. Up to kTolerance
// times
//   that, more in flight is worth trying; above, requests only queue up in the server.
// - An overload halves the limit. Those who were in flight with it are part of the same event.
// - At the smallest limit the latency cannot be our doing: then what is measured becomes the new
// lowest.
// - The limit does not grow when nobody waits for it: it would not have been tried out.
//
// Waiting is first come, first served. Thread safe; acquire() resumes on its caller's executor.
// Outlives every task that waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "dataflow/task.h"

namespace dataflow::cassandra {

class AdaptiveLimit {
 public:
  static constexpr double kTolerance = 4;
  static constexpr double kGrowth = 1.0 / 8;     // of the limit, per window
  static constexpr double kShrinkage = 1.0 / 8;  // of the limit, per window
  static constexpr std::size_t kWindow = 32;     // answers, at least; never fewer than the limit

  struct Bounds {
    std::size_t smallest = 4;
    std::size_t initial = 16;
    std::size_t largest = 256;
  };

  enum class Outcome {
    kAnswered,  // the latency says something about the server
    kOverload,  // refused, timed out, no answer
    kRefused,   // an answer that says nothing about its load
  };

  explicit AdaptiveLimit(Bounds bounds);
  AdaptiveLimit(const AdaptiveLimit&) = delete;
  AdaptiveLimit& operator=(const AdaptiveLimit&) = delete;

  // Returns when one more request may be sent. Each is followed by one release().
  Task<void> acquire();
  void release(Outcome outcome, std::chrono::nanoseconds latency);

  std::size_t limit() const;
  std::size_t in_flight() const;

 private:
  using Waiter = std::move_only_function<void(bool)>;

  bool try_acquire();
  void learn(Outcome outcome, std::chrono::nanoseconds latency);
  void end_window();
  void start_window();

  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::size_t limit_;
  std::size_t in_flight_ = 0;
  std::deque<Waiter> waiters_;

  std::size_t answers_ = 0;  // in this window
  std::chrono::nanoseconds total_{0};
  bool wanted_ = false;                 // somebody waited in this window
  std::size_t excused_ = 0;             // answers to come that were sent before the last halving
  std::chrono::nanoseconds lowest_{0};  // mean of a window; 0: none yet
};

}  // namespace dataflow::cassandra
