// Runs a task from a test that is no coroutine and returns what it returns.
//
//   const Result<Product> product = mock::wait(service.find(7));
//
// An exception of the task is thrown on. A task that can never end, because nothing is left that
// could resume it, is an exception as well and not a test that hangs.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "dataflow/task.h"

namespace dataflow::mock {

// An io_context of the caller's own, until it is given back. None is ever destroyed: a thread that
// resumed the last coroutine may still be on its way out of post(), which then wakes nobody.
class KeptContext {
 public:
  KeptContext() {
    std::lock_guard lock(kept().mutex);
    if (kept().idle.empty()) {
      context_ = std::make_unique<boost::asio::io_context>();
    } else {
      context_ = std::move(kept().idle.back());
      kept().idle.pop_back();
    }
  }
  ~KeptContext() {
    context_->restart();
    std::lock_guard lock(kept().mutex);
    kept().idle.push_back(std::move(context_));
  }
  KeptContext(const KeptContext&) = delete;
  KeptContext& operator=(const KeptContext&) = delete;

  boost::asio::io_context& operator*() { return *context_; }

 private:
  struct Kept {
    std::mutex mutex;
    std::vector<std::unique_ptr<boost::asio::io_context>> idle;
  };
  static Kept& kept() {
    static Kept& all = *new Kept;
    return all;
  }

  std::unique_ptr<boost::asio::io_context> context_;
};

// On the calling thread and `threads` - 1 more.
template <class T>
T wait(Task<T> task, std::size_t threads = 1) {
  KeptContext context;
  boost::asio::io_context& io = *context;
  auto result = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&io] { io.run(); });
    io.run();
  }
  if (result.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    throw std::runtime_error("the task waits for something that will never happen");
  }
  return result.get();
}

}  // namespace dataflow::mock
