// What the fuzz targets share: tasks run to their end on this thread, and a check that stops the
// fuzzer.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dataflow/task.h"

namespace dataflow::fuzz {

// A broken promise is a crash with its reason above the stack.
inline void check(bool holds, const char* promise, std::string_view detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n%.*s\n", promise, static_cast<int>(detail.size()),
               detail.data());
  std::abort();
}

// Runs the task on this thread until it ends.
template <class T>
T run(Task<T> task) {
  static boost::asio::io_context context(1);
  std::optional<T> value;
  context.restart();
  boost::asio::co_spawn(context, std::move(task), [&value](std::exception_ptr thrown, T got) {
    check(thrown == nullptr, "no exception leaves a task");
    value.emplace(std::move(got));
  });
  context.run();
  check(value.has_value(), "the task ends");
  return std::move(*value);
}

}  // namespace dataflow::fuzz
