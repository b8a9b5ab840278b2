// TaskGroup: tasks that run on their own, and somebody who waits for all of them.
//
// Thread safe; a running task may spawn further ones. The group outlives its tasks: wait() before
// it goes.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>

#include "dataflow/task.h"

namespace dataflow::pipeline {

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<void> task);

  // Returns when no task is running; rethrows the first exception that left one. One waiter at a
  // time.
  Task<void> wait();

 private:
  void finished(std::exception_ptr exception);

  boost::asio::any_io_executor executor_;
  std::mutex mutex_;
  std::size_t running_ = 0;
  std::exception_ptr first_;
  std::move_only_function<void(bool)> waiter_;
};

}  // namespace dataflow::pipeline
