// Where the blocking calls of this folder are made, and how a coroutine awaits one. For its .cc
// files only. Thread safe.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include "dataflow/task.h"
#include "dataflow/thread_pool.h"

namespace dataflow::file {

// A descriptor that is closed at the end, standard input excepted.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ > STDIN_FILENO) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_ = -1;
};

// What the service and everything that it opened have in common.
struct Threads {
  explicit Threads(std::size_t count) : pool(count) {}

  ThreadPool pool;
  // Readable as soon as nobody may wait for a stream any more.
  Descriptor stop{::eventfd(0, EFD_CLOEXEC)};
};

// `call`, which returns a Result, made on the pool. What it throws (memory) becomes an error.
template <class T, class Call>
Task<Result<T>> run_on(ThreadPool& pool, Call call) {
  auto guarded = [call = std::move(call)]() mutable -> Result<T> {
    try {
      return call();
    } catch (const std::exception& exception) {
      return fail(ErrorCode::kUnavailable, "the file system's answer does not fit into the memory",
                  exception.what());
    }
  };
  auto start = [&pool, guarded = std::move(guarded)](auto done) mutable {
    auto made = [guarded = std::move(guarded), done = std::move(done)]() mutable {
      done(guarded());
    };
    pool.post(std::move(made));
  };
  auto value = co_await async_value<Result<T>>(start);
  co_return std::move(value);
}

}  // namespace dataflow::file
