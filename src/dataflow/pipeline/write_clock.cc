#include "dataflow/pipeline/write_clock.h"

#include <algorithm>
#include <chrono>
#include <random>

namespace dataflow::pipeline {

WriteClock::WriteClock()
    : WriteClock(static_cast<WriteTime>(std::random_device{}() % static_cast<unsigned>(kStepUs))) {}

WriteTime WriteClock::next(WriteTime after) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  const WriteTime now =
      duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::lock_guard lock(mutex_);
  last_step_ = std::max({last_step_ + 1, now / kStepUs, after / kStepUs + 1});
  return last_step_ * kStepUs + slot_;
}

}  // namespace dataflow::pipeline
