// StopSource: tells everybody in a run that it is to stop, also those who wait for something else.
//
// Thread safe.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "dataflow/pipeline/progress.h"
#include "dataflow/task.h"

namespace dataflow::pipeline {

class StopSource {
 public:
  // The first reason counts.
  void stop(Stop reason) {
    std::map<std::uint64_t, std::function<void()>> callbacks;
    {
      std::lock_guard lock(mutex_);
      if (reason_ != Stop::kNone) return;
      reason_ = reason;
      callbacks.swap(callbacks_);
    }
    for (auto& [key, callback] : callbacks) callback();
  }

  Stop reason() const {
    std::lock_guard lock(mutex_);
    return reason_;
  }
  bool stopped() const { return reason() != Stop::kNone; }

  // The result of `task`, or nullopt as soon as the run is to stop: the task then goes on by
  // itself, so what it works on has to belong to it (`keep`), and its result is dropped.
  template <class T, class Keep>
  Task<std::optional<T>> unless_stopped(Task<T> task, std::shared_ptr<Keep> keep) {
    auto executor = co_await boost::asio::this_coro::executor;
    auto start = [&](auto done) {
      auto race = std::make_shared<Race<T>>();
      race->done = std::move(done);
      // A stop resumes the one who waits, on another thread, and with it goes the frame that all of
      // this refers to: what is needed after on_stop() is taken out of it before.
      StopSource* const self = this;
      auto begun_on = executor;
      auto begun = std::move(task);
      auto kept = std::move(keep);
      const std::uint64_t key = self->on_stop([race] { race->finish(std::nullopt); });
      boost::asio::co_spawn(begun_on, run(std::move(begun), race, std::move(kept), self, key),
                            boost::asio::detached);
    };
    auto first = co_await async_value<std::optional<T>>(start);
    co_return std::move(first);
  }

 private:
  template <class T>
  struct Race {
    std::mutex mutex;
    std::move_only_function<void(std::optional<T>)> done;

    void finish(std::optional<T> value) {
      std::move_only_function<void(std::optional<T>)> first;
      {
        std::lock_guard lock(mutex);
        first = std::exchange(done, nullptr);
      }
      if (first) first(std::move(value));
    }
  };

  template <class T, class Keep>
  static Task<void> run(Task<T> task, std::shared_ptr<Race<T>> race, std::shared_ptr<Keep> keep,
                        StopSource* self, std::uint64_t key) {
    T value = co_await std::move(task);
    // After a stop the run may be gone: only a race that is still open may touch it, and stays open
    // meanwhile.
    {
      std::lock_guard lock(race->mutex);
      if (!race->done) co_return;
      self->forget(key);
    }
    race->finish(std::move(value));
    keep.reset();
  }

  std::uint64_t on_stop(std::function<void()> callback) {
    {
      std::lock_guard lock(mutex_);
      if (reason_ == Stop::kNone) {
        callbacks_.emplace(++last_key_, std::move(callback));
        return last_key_;
      }
    }
    callback();
    return 0;
  }

  void forget(std::uint64_t key) {
    std::lock_guard lock(mutex_);
    callbacks_.erase(key);
  }

  mutable std::mutex mutex_;
  Stop reason_ = Stop::kNone;
  std::uint64_t last_key_ = 0;
  std::map<std::uint64_t, std::function<void()>> callbacks_;
};

}  // namespace dataflow::pipeline
