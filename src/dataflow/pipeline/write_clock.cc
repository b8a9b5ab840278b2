#include "dataflow/pipeline/write_clock.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <random>

namespace dataflow::pipeline {

namespace {

// A step further ahead than this was set by another host's clock: waiting for it would stop the
// job.
constexpr WriteTime kMaxStepsWaited = 4;

WriteTime step_now() {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return duration_cast<microseconds>(since_epoch).count() / WriteClock::kStepUs;
}

}  // namespace

WriteClock::WriteClock(std::uint64_t writer)
    : slot_(static_cast<WriteTime>(writer % ProductService::kWritersApart)),
      first_step_(step_now() + 1) {}

WriteClock::WriteClock() : WriteClock(std::uint64_t{std::random_device{}()}) {}

Task<WriteTime> WriteClock::next(WriteTime after, bool replaces) {
  WriteTime step = 0;
  {
    std::lock_guard lock(mutex_);
    step = std::max({step_now(), first_step_, after / kStepUs + 1});
    if (replaces) step = std::max(step, last_step_ + 1);
    last_step_ = std::max(last_step_, step);
  }
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor);
  for (WriteTime now = step_now(); now < step && step - now <= kMaxStepsWaited; now = step_now()) {
    timer.expires_after(std::chrono::microseconds((step - now) * kStepUs));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  co_return step* kStepUs + slot_;
}

}  // namespace dataflow::pipeline
