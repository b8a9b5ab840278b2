#include "dataflow/cassandra/writer.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "dataflow/cassandra/patience.h"
#include "dataflow/cassandra/rows.h"
#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {

// One save_many(): lives in its frame until every batch has ended.
struct Writer::Call {
  Call(std::span<const ProductView> rows, WriteTime when, std::span<bool> acknowledged)
      : products(rows), time(when), stored(acknowledged) {}

  std::span<const ProductView> products;
  WriteTime time;
  std::span<bool> stored;
  Clock::time_point start = Clock::now();

  std::mutex mutex;
  std::optional<Error> error;  // the first one
  std::size_t running = 1;     // batches under way, and the one who starts them
  std::move_only_function<void(bool)> all_ended;

  bool failed() {
    const std::lock_guard lock(mutex);
    return error.has_value();
  }

  void fail(Error what) {
    const std::lock_guard lock(mutex);
    if (!error) error = std::move(what);
  }

  void begin() {
    const std::lock_guard lock(mutex);
    ++running;
  }

  // The last one wakes the waiter, with nothing of this object in its hands: it may be gone at
  // once.
  void end() {
    std::move_only_function<void(bool)> wake;
    {
      const std::lock_guard lock(mutex);
      if (--running == 0) wake = std::move(all_ended);
    }
    if (wake) wake(true);
  }

  Task<void> wait() {
    auto last = [this](auto resume) {
      {
        const std::lock_guard lock(mutex);
        all_ended = std::move(resume);
      }
      end();
    };
    co_await async_value<bool>(last);
  }
};

Writer::Writer(Connection& connection, const BatchLimits& limits, const Options& options)
    : connection_(connection),
      limits_(limits),
      options_(options),
      in_flight_({.largest = options.max_in_flight}) {}

Task<Result<void>> Writer::save_many(std::span<const ProductView> products, WriteTime time,
                                     std::span<bool> stored) {
  std::vector<ProductId> ids(products.size());
  std::ranges::transform(products, ids.begin(), &ProductView::id);
  std::vector<std::uint32_t> groups(products.size());
  connection_.replica_groups(ids, groups);
  const Batches batches = cut_batches(products, groups, limits_);

  Call call(products, time, stored);
  const auto executor = co_await boost::asio::this_coro::executor;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    co_await in_flight_.acquire();
    if (!may_send(call)) break;
    call.begin();
    boost::asio::co_spawn(executor, save_batch(call, batches[i]),
                          [&call](const std::exception_ptr& exception) {
                            if (exception) {
                              call.fail({ErrorCode::kInternal, "out of memory while saving", ""});
                            }
                            call.end();
                          });
  }
  co_await call.wait();
  if (call.error) co_return std::unexpected(std::move(*call.error));
  co_return Result<void>();
}

// Begins with a place among those in flight, and ends without one.
Task<void> Writer::save_batch(Call& call, std::span<const std::uint32_t> rows) {
  const auto first_sent = Clock::now();
  for (int failures = 0;;) {
    auto result = co_await send(call, rows);
    if (result) {
      for (const std::uint32_t row : rows) call.stored[row] = true;
      co_return;
    }
    Error error = std::move(result.error());
    if (error.code != ErrorCode::kUnavailable) {
      call.fail(std::move(error));
      co_return;
    }
    ++failures;
    const bool repeat = co_await wait_before_repeating(call, failures, first_sent);
    if (!repeat) {
      error.message += "; gave up at attempt " + std::to_string(failures) + ", with " +
                       std::to_string(options_.retry_timeout_ms) + " ms to retry";
      call.fail(std::move(error));
      co_return;
    }
    if (call.failed()) co_return;  // of another batch: this one's rows are not stored either way
    co_await in_flight_.acquire();
    if (!may_send(call)) co_return;
  }
}

Task<Result<void>> Writer::send(const Call& call, std::span<const std::uint32_t> rows) {
  EncodedRows encoded;
  std::size_t bytes = 0;
  for (const std::uint32_t row : rows) bytes += data_size(call.products[row]);
  encoded.bytes.reserve(bytes);
  encoded.lengths.reserve(rows.size() * kColumns);
  for (const std::uint32_t row : rows) encoded.append(call.products[row]);

  const auto sent = Clock::now();
  auto result = co_await connection_.save(encoded.bytes, encoded.lengths, kColumns, call.time);
  const auto answered = Clock::now();
  using Outcome = AdaptiveLimit::Outcome;
  Outcome outcome = Outcome::kAnswered;
  if (result) {
    last_acknowledged_ = answered.time_since_epoch().count();
  } else {
    outcome =
        result.error().code == ErrorCode::kUnavailable ? Outcome::kOverload : Outcome::kRefused;
    if (outcome == Outcome::kOverload) note_failure(result.error());
  }
  in_flight_.release(outcome, answered - sent);
  co_return result;
}

void Writer::note_failure(const Error& error) {
  const std::lock_guard lock(mutex_);
  last_failed_ = Clock::now();
  failure_ = error;
}

// For who has just got a place among those in flight: gives it back, and says no, where the call
// has failed or is overdue.
bool Writer::may_send(Call& call) {
  if (!call.failed()) {
    auto late = overdue(call);
    if (!late) return true;
    call.fail(std::move(*late));
  }
  in_flight_.release(AdaptiveLimit::Outcome::kRefused, {});
  return false;
}

// Since when the call has been waiting with nothing acknowledged to anyone.
Writer::Clock::time_point Writer::waiting_since(const Call& call) const {
  return std::max(call.start, Clock::time_point(Clock::duration(last_acknowledged_.load())));
}

// The error of a call that has waited for retry_timeout_ms in which nothing was acknowledged and
// something failed: what it still has to send would only meet the same outage, one request timeout
// after another.
std::optional<Error> Writer::overdue(const Call& call) const {
  const auto since = waiting_since(call);
  if (Clock::now() < since + std::chrono::milliseconds(options_.retry_timeout_ms)) return {};
  const std::lock_guard lock(mutex_);
  if (!failure_ || last_failed_ < since) return {};
  Error error = *failure_;
  error.message += "; gave up: nothing was acknowledged in the " +
                   std::to_string(options_.retry_timeout_ms) + " ms to retry";
  return error;
}

// False when it is time to give up.
Task<bool> Writer::wait_before_repeating(const Call& call, int failures,
                                         Clock::time_point first_sent) {
  const auto since = std::min(first_sent, waiting_since(call));
  const auto deadline = since + std::chrono::milliseconds(options_.retry_timeout_ms);
  const auto wait = retry_wait(options_, failures);
  if (Clock::now() + wait >= deadline) co_return false;
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, wait);
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return true;
}

}  // namespace dataflow::cassandra
