// Where the blocking calls of this folder are made, and how a coroutine awaits one. For its .cc
// files only.
//
// Thread safety: any thread may begin a call; one coroutine awaits it, or nobody.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
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

// A call that is made on a thread of a pool: begun now, awaited later, by nobody if its owner goes.
template <class T>
class PendingCall {
 public:
  template <class Call>
  PendingCall(ThreadPool& pool, Call call) {
    boost::asio::post(pool.get_executor(), [state = state_, call = std::move(call)]() mutable {
      T value = call();
      std::unique_lock lock(state->mutex);
      if (!state->waiter) {
        state->value = std::move(value);
        return;
      }
      auto waiter = std::move(state->waiter);
      lock.unlock();
      waiter(std::move(value));
    });
  }

  // To be awaited once.
  Task<T> get() {
    // The coroutine may be over before the closure is: the closure's own copy keeps the state.
    auto begin = [state = state_](auto done) {
      const auto kept = state;
      std::unique_lock lock(kept->mutex);
      if (!kept->value) {
        kept->waiter = std::move(done);
        return;
      }
      lock.unlock();
      done(*std::move(kept->value));
    };
    T value = co_await async_value<T>(begin);
    co_return std::move(value);
  }

 private:
  struct State {
    std::mutex mutex;
    std::optional<T> value;
    std::move_only_function<void(T)> waiter;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// `call`, which returns a Result, made on the pool. What it throws (memory) becomes an error.
template <class T, class Call>
Task<Result<T>> run_on(ThreadPool& pool, Call call) {
  PendingCall<Result<T>> pending(pool, [call = std::move(call)]() mutable -> Result<T> {
    try {
      return call();
    } catch (const std::exception& exception) {
      return fail(ErrorCode::kUnavailable, "the file system's answer does not fit into the memory",
                  exception.what());
    }
  });
  auto value = co_await pending.get();
  co_return std::move(value);
}

}  // namespace dataflow::file
