// Link: one connection to one run of a Redis server; Connector: makes the next one when it is lost.
// Private to the folder.
//
// A connection is never replaced behind a caller's back: a server that restarted may have come back
// with older data, so whoever asks gets the link and compares its run_id with the one it trusts.
//
// What was sent on a connection that was lost may still lie unread at the server. It must not be
// executed after what is sent on the next one (a late remember() would undo a forget()), so the
// next connection has the server drop the one before.
//
// Thread safety: all methods may be called concurrently.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "clients/call.h"
#include "dataflow/redis/commands.h"
#include "dataflow/redis/options.h"

namespace dataflow::redis {

class Link {
 public:
  explicit Link(const Options& options);

  // Connects, and learns what answered.
  Task<Result<void>> connect();
  // Makes the server forget a connection and what it had not read of it.
  Task<void> fence(std::string connection_id);
  // One round trip; `commands` are borrowed until it is done.
  Task<Result<clients::Reply>> call(const Commands& commands);

  bool connected() const { return client_->connected(); }
  const std::string& run_id() const { return run_id_; }
  const std::string& connection_id() const { return connection_id_; }

 private:
  std::string addr_;
  rust::Box<clients::Redis> client_;
  std::string run_id_;
  std::string connection_id_;
};

using LinkPtr = std::shared_ptr<Link>;

class Connector {
 public:
  explicit Connector(Options options);

  // The link in use, or a new one where there is none or it was lost. Calls that need a new one at
  // the same time share one attempt; for a pause after a failed one they share its error.
  Task<Result<LinkPtr>> link();
  // Makes the next call of link() try, pause or not.
  void try_again();

  const Options& options() const { return options_; }

 private:
  class Attempt;
  using Waiter = std::move_only_function<void(Result<LinkPtr>)>;

  Task<Result<LinkPtr>> make();

  const Options options_;
  std::mutex mutex_;
  LinkPtr link_;
  bool attempting_ = false;
  std::vector<Waiter> waiters_;  // for the attempt under way
  Error error_;                  // of the attempt before
  std::chrono::steady_clock::time_point next_attempt_;
};

}  // namespace dataflow::redis
