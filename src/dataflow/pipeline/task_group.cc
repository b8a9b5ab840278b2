#include "dataflow/pipeline/task_group.h"

#include <boost/asio/co_spawn.hpp>
#include <utility>

namespace dataflow::pipeline {

void TaskGroup::spawn(Task<void> task) {
  {
    std::lock_guard lock(mutex_);
    ++running_;
  }
  boost::asio::co_spawn(executor_, std::move(task),
                        [this](std::exception_ptr exception) { finished(std::move(exception)); });
}

void TaskGroup::finished(std::exception_ptr exception) {
  std::move_only_function<void(bool)> waiter;
  {
    std::lock_guard lock(mutex_);
    if (exception && !first_) first_ = std::move(exception);
    if (--running_ == 0) waiter = std::move(waiter_);
  }
  if (waiter) waiter(true);
}

Task<void> TaskGroup::wait() {
  co_await async_value<bool>([this](auto done) {
    std::unique_lock lock(mutex_);
    if (running_ == 0) {
      lock.unlock();
      done(true);
    } else {
      waiter_ = std::move(done);
    }
  });
  std::lock_guard lock(mutex_);
  if (first_) std::rethrow_exception(std::exchange(first_, nullptr));
}

}  // namespace dataflow::pipeline
