// Tickets: lets a write wait for the writes that began before it.
//
// A row that replaces a row which this job is writing, or has written, must reach the store after
// it. Whoever is about to write takes a ticket; wait_before() returns when no older ticket is out.
// It waits for older ones only, so it cannot deadlock. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "dataflow/task.h"

namespace dataflow::pipeline {

class Tickets {
 public:
  class Ticket {
   public:
    Ticket(Tickets& tickets, std::uint64_t number) : tickets_(&tickets), number_(number) {}
    Ticket(Ticket&& other) noexcept
        : tickets_(std::exchange(other.tickets_, nullptr)), number_(other.number_) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (tickets_ != nullptr) tickets_->give_back(number_);
    }
    std::uint64_t number() const { return number_; }

   private:
    Tickets* tickets_;
    std::uint64_t number_;
  };

  Ticket take();
  Task<void> wait_before(std::uint64_t number);

 private:
  void give_back(std::uint64_t number);
  bool none_before(std::uint64_t number) const { return out_.empty() || *out_.begin() >= number; }

  struct Waiter {
    std::uint64_t number;
    std::move_only_function<void(bool)> wake;
  };
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::set<std::uint64_t> out_;
  std::vector<Waiter> waiters_;
};

}  // namespace dataflow::pipeline
