// Budget: a counted resource (bytes, places) that coroutines wait for, first come first served.
//
// Thread safe. A Lease gives its part back when it is destroyed; one lease may exceed the budget's
// size: it then waits until it is alone, so that a limit never becomes a deadlock.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "dataflow/task.h"

namespace dataflow::pipeline {

class Budget {
 public:
  class Lease {
   public:
    Lease() = default;
    Lease(Budget* budget, std::uint64_t amount) : budget_(budget), amount_(amount) {}
    Lease(Lease&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), amount_(other.amount_) {}
    Lease& operator=(Lease&& other) noexcept {
      if (this != &other) {
        release();
        budget_ = std::exchange(other.budget_, nullptr);
        amount_ = other.amount_;
      }
      return *this;
    }
    ~Lease() { release(); }
    void release() {
      if (budget_ != nullptr) std::exchange(budget_, nullptr)->give_back(amount_);
    }

   private:
    Budget* budget_ = nullptr;
    std::uint64_t amount_ = 0;
  };

  explicit Budget(std::uint64_t size) : size_(size) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Waits until `amount` is free. The budget outlives its leases.
  Task<Lease> acquire(std::uint64_t amount);

 private:
  struct Waiter {
    std::uint64_t amount;
    std::move_only_function<void(bool)> wake;
  };

  bool fits(std::uint64_t amount) const { return used_ == 0 || used_ + amount <= size_; }
  void give_back(std::uint64_t amount);

  const std::uint64_t size_;
  std::mutex mutex_;
  std::uint64_t used_ = 0;
  std::deque<Waiter> waiters_;
};

}  // namespace dataflow::pipeline
