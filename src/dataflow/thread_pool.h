// ThreadPool: threads that run what is posted to their executor.
//
// In the place of boost::asio::thread_pool, whose constructor waits for ever where the system
// allows some of the threads and not all: here it ends those that it started and throws
// std::system_error.
//
// Thread safety: get_executor() and post() from any thread, the rest from one that is not of the
// pool.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace dataflow {

class ThreadPool {
 public:
  using Executor = boost::asio::io_context::executor_type;

  // At least one thread.
  explicit ThreadPool(std::size_t threads);
  // What is running is waited for; what has not begun is destroyed, and does not run.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  Executor get_executor() { return context_.get_executor(); }

  // As boost::asio::post() to the executor, for a pool that may end as soon as `call` has run: the
  // destructor waits for whoever is still on the way out of here, waking a thread.
  template <class Call>
  void post(Call call) {
    std::lock_guard lock(posting_);
    boost::asio::post(context_, std::move(call));
  }

  // Returns when nothing is left to do. The pool is of no use afterwards.
  void join();

 private:
  void stop();

  boost::asio::io_context context_;
  std::mutex posting_;
  boost::asio::executor_work_guard<Executor> work_;
  std::vector<std::thread> threads_;
};

}  // namespace dataflow
