#include "dataflow/pipeline/budget.h"

#include <vector>

namespace dataflow::pipeline {

Task<Budget::Lease> Budget::acquire(std::uint64_t amount) {
  {
    std::lock_guard lock(mutex_);
    if (waiters_.empty() && fits(amount)) {
      used_ += amount;
      co_return Lease(this, amount);
    }
  }
  co_await async_value<bool>([this, amount](auto wake) {
    std::unique_lock lock(mutex_);
    if (waiters_.empty() && fits(amount)) {
      used_ += amount;
      lock.unlock();
      wake(true);
    } else {
      waiters_.push_back({amount, std::move(wake)});
    }
  });
  co_return Lease(this, amount);
}

void Budget::give_back(std::uint64_t amount) {
  std::vector<std::move_only_function<void(bool)>> woken;
  {
    std::lock_guard lock(mutex_);
    used_ -= amount;
    while (!waiters_.empty() && fits(waiters_.front().amount)) {
      used_ += waiters_.front().amount;
      woken.push_back(std::move(waiters_.front().wake));
      waiters_.pop_front();
    }
  }
  for (auto& wake : woken) wake(true);
}

}  // namespace dataflow::pipeline
