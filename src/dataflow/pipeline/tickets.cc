#include "dataflow/pipeline/tickets.h"

namespace dataflow::pipeline {

Tickets::Ticket Tickets::take() {
  std::lock_guard lock(mutex_);
  out_.insert(next_);
  return Ticket(*this, next_++);
}

Task<void> Tickets::wait_before(std::uint64_t number) {
  co_await async_value<bool>([this, number](auto wake) {
    std::unique_lock lock(mutex_);
    if (none_before(number)) {
      lock.unlock();
      wake(true);
    } else {
      waiters_.push_back({number, std::move(wake)});
    }
  });
}

void Tickets::give_back(std::uint64_t number) {
  std::vector<std::move_only_function<void(bool)>> woken;
  {
    std::lock_guard lock(mutex_);
    out_.erase(number);
    for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
      if (none_before(waiter->number)) {
        woken.push_back(std::move(waiter->wake));
        waiter = waiters_.erase(waiter);
      } else {
        ++waiter;
      }
    }
  }
  for (auto& wake : woken) wake(true);
}

}  // namespace dataflow::pipeline
