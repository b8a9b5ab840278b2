// Writer: save_many() over a Connection: batches, how many at once, repetitions.
//
// All calls share one AdaptiveLimit and queue there with one batch each, so a small call does not
// wait behind all of a large one. A batch that the cluster could not take is repeated with the same
// write time, which changes nothing where it had arrived after all, until retry_timeout_ms have
// passed since it was first sent, or since the cluster last acknowledged anything to anyone. Calls
// that have waited so long in an outage end without sending what is left: however many wait, they
// end within retry_timeout_ms and one request's own timeout.
//
// Thread safe. The connection outlives the writer, the writer its tasks.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <span>

#include "dataflow/cassandra/adaptive_limit.h"
#include "dataflow/cassandra/batches.h"
#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/options.h"
#include "dataflow/error.h"
#include "dataflow/product.h"
#include "dataflow/product_service.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

class Writer {
 public:
  Writer(Connection& connection, const BatchLimits& limits, const Options& options);

  // As ProductService::save_many.
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored);

  const AdaptiveLimit& in_flight() const { return in_flight_; }

 private:
  struct Call;
  using Clock = std::chrono::steady_clock;

  Task<void> save_batch(Call& call, std::span<const std::uint32_t> rows);
  Task<Result<void>> send(const Call& call, std::span<const std::uint32_t> rows);
  Task<bool> wait_before_repeating(const Call& call, int failures, Clock::time_point first_sent);
  bool may_send(Call& call);
  Clock::time_point waiting_since(const Call& call) const;
  void note_failure(const Error& error);
  std::optional<Error> overdue(const Call& call) const;

  Connection& connection_;
  const BatchLimits limits_;
  const Options options_;
  AdaptiveLimit in_flight_;
  std::atomic<Clock::rep> last_acknowledged_{0};
  mutable std::mutex mutex_;  // of what follows
  Clock::time_point last_failed_;
  std::optional<Error> failure_;  // the last one
};

}  // namespace dataflow::cassandra
