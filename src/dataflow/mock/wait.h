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
#include <stdexcept>
#include <thread>
#include <vector>

#include "dataflow/task.h"

namespace dataflow::mock {

// On the calling thread and `threads` - 1 more.
template <class T>
T wait(Task<T> task, std::size_t threads = 1) {
  boost::asio::io_context io(static_cast<int>(threads));
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
