// How long, and how often, the job repeats what the cluster could not do: for
// Options::retry_timeout_ms, with waits that double up to Options::retry_wait_max_ms.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "dataflow/cassandra/options.h"
#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

// The wait before the next attempt, after so many failures: half to all of what it has come to, so
// that what failed together does not come back together.
std::chrono::milliseconds retry_wait(const Options& options, int failures);

// What `ask` brings, which is called again as long as that is kUnavailable and there is time. What
// it brought last is returned then, with the attempts in its message. `tell` hears of the first
// failure that is followed by a wait.
template <class T>
Task<Result<T>> ask_patiently(Options options, std::function<Task<Result<T>>()> ask,
                              std::function<void(const Error&)> tell = {}) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(options.retry_timeout_ms);
  for (int failures = 0;;) {
    auto answer = co_await ask();
    if (answer || answer.error().code != ErrorCode::kUnavailable) co_return std::move(answer);
    const auto wait = retry_wait(options, ++failures);
    if (Clock::now() + wait >= deadline) {
      Error error = std::move(answer.error());
      if (failures > 1) {
        error.message += "; gave up at attempt " + std::to_string(failures) + ", with " +
                         std::to_string(options.retry_timeout_ms) + " ms to retry";
      }
      co_return std::unexpected(std::move(error));
    }
    if (failures == 1 && tell) tell(answer.error());
    const auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer timer(executor, wait);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

}  // namespace dataflow::cassandra
