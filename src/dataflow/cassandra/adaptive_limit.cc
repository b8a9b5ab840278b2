#include "dataflow/cassandra/adaptive_limit.h"

#include <algorithm>
#include <utility>

namespace dataflow::cassandra {

AdaptiveLimit::AdaptiveLimit(Bounds bounds)
    : bounds_{.smallest = std::min(bounds.smallest, bounds.largest),
              .initial = bounds.initial,
              .largest = bounds.largest},
      limit_(std::clamp(bounds_.initial, bounds_.smallest, bounds_.largest)) {}

bool AdaptiveLimit::try_acquire() {
  const std::lock_guard lock(mutex_);
  if (in_flight_ >= limit_ || !waiters_.empty()) return false;
  ++in_flight_;
  return true;
}

Task<void> AdaptiveLimit::acquire() {
  if (try_acquire()) co_return;
  auto enqueue = [this](Waiter resume) {
    {
      const std::lock_guard lock(mutex_);
      if (in_flight_ >= limit_ || !waiters_.empty()) {
        wanted_ = true;
        waiters_.push_back(std::move(resume));
        return;
      }
      ++in_flight_;
    }
    resume(true);
  };
  co_await async_value<bool>(enqueue);
}

void AdaptiveLimit::release(Outcome outcome, std::chrono::nanoseconds latency) {
  std::vector<Waiter> admitted;
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    learn(outcome, latency);
    while (in_flight_ < limit_ && !waiters_.empty()) {
      ++in_flight_;
      admitted.push_back(std::move(waiters_.front()));
      waiters_.pop_front();
    }
  }
  for (Waiter& waiter : admitted) waiter(true);
}

void AdaptiveLimit::learn(Outcome outcome, std::chrono::nanoseconds latency) {
  const bool excused = excused_ > 0;
  if (excused) --excused_;
  if (outcome == Outcome::kRefused) return;
  if (outcome == Outcome::kOverload) {
    if (excused) return;
    limit_ = std::max(bounds_.smallest, limit_ / 2);
    excused_ = in_flight_;
    start_window();
    return;
  }
  ++answers_;
  total_ += latency;
  if (answers_ >= std::max(kWindow, limit_)) end_window();
}

void AdaptiveLimit::end_window() {
  const auto mean =
      std::max(total_ / static_cast<std::int64_t>(answers_), std::chrono::nanoseconds(1));
  if (lowest_.count() == 0 || mean < lowest_ || limit_ == bounds_.smallest) lowest_ = mean;
  const auto ratio = static_cast<double>(mean.count()) / static_cast<double>(lowest_.count());
  const auto part = [this](double share) {
    return std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(limit_) * share));
  };
  if (ratio > kTolerance) {
    limit_ = std::max(bounds_.smallest, limit_ - std::min(part(kShrinkage), limit_));
  } else if (wanted_) {
    limit_ = std::min(bounds_.largest, limit_ + part(kGrowth));
  }
  start_window();
}

void AdaptiveLimit::start_window() {
  answers_ = 0;
  total_ = std::chrono::nanoseconds(0);
  wanted_ = !waiters_.empty();
}

std::size_t AdaptiveLimit::limit() const {
  const std::lock_guard lock(mutex_);
  return limit_;
}

std::size_t AdaptiveLimit::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

}  // namespace dataflow::cassandra
