#include "dataflow/redis/link.h"

#include <string_view>
#include <utility>

#include "dataflow/redis/encoding.h"

namespace dataflow::redis {
namespace {

template <class T>
rust::Slice<const T> slice(std::span<const T> span) {
  return {span.data(), span.size()};
}

clients::RedisOptions client_options(const Options& options) {
  clients::RedisOptions to;
  to.addr = options.addr;
  to.user = options.user;
  to.pass = options.pass;
  to.db = options.db;
  to.tls.enabled = options.tls;
  to.tls.ca_file = options.ca_file;
  to.tls.cert_file = options.cert_file;
  to.tls.key_file = options.key_file;
  to.connect_timeout_ms = options.connect_timeout_ms;
  to.response_timeout_ms = options.response_timeout_ms;
  return to;
}

}  // namespace

Link::Link(const Options& options)
    : addr_(options.addr), client_(clients::redis_new(client_options(options))) {}

Task<Result<void>> Link::connect() {
  auto connected = co_await clients::call(
      [this](std::unique_ptr<clients::Completion> done) { client_->connect(std::move(done)); });
  if (!connected) co_return std::unexpected(std::move(connected.error()));

  Commands commands;
  commands.command("INFO").add("server").command("CLIENT").add("ID");
  auto reply = co_await call(commands);
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  clients::Values values(*reply);
  const std::string_view info = values.next().bytes;
  connection_id_ = values.next().bytes;
  run_id_ = info_field(info, "run_id");
  if (run_id_.empty()) {
    co_return fail(ErrorCode::kUnavailable,
                   "what answers at " + addr_ + " does not say which run of Redis it is");
  }
  if (info_field(info, "redis_mode") == "cluster") {
    co_return fail(
        ErrorCode::kUnavailable,
        "Redis at " + addr_ + " is part of a cluster: name a single server in redis.addr");
  }
  co_return Result<void>{};
}

Task<void> Link::fence(std::string connection_id) {
  Commands commands;
  commands.command("CLIENT").add("KILL").add("ID").add(connection_id);
  // A server that does not know the connection any more is well. A user who may not do it is told
  // by nothing but the list in cache.h and SECURITY.md: the cache has nobody to warn.
  const auto killed = co_await call(commands);
  static_cast<void>(killed);
}

Task<Result<clients::Reply>> Link::call(const Commands& commands) {
  auto reply = co_await clients::call([this, &commands](std::unique_ptr<clients::Completion> done) {
    client_->call(slice(commands.bytes()), slice(commands.lengths()), slice(commands.arguments()),
                  std::move(done));
  });
  co_return reply;
}

Connector::Connector(Options options) : options_(std::move(options)) {}

// Ends the attempt under way in every case, also when the coroutine that makes it is destroyed.
class Connector::Attempt {
 public:
  explicit Attempt(Connector& connector) : connector_(connector) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() { end(); }

  Result<LinkPtr> outcome = fail(ErrorCode::kUnavailable, "connecting to Redis was given up");

 private:
  void end() {
    std::vector<Waiter> waiters;
    {
      const std::lock_guard lock(connector_.mutex_);
      connector_.attempting_ = false;
      waiters.swap(connector_.waiters_);
      if (outcome) {
        connector_.link_ = *outcome;
      } else {
        connector_.error_ = outcome.error();
        connector_.next_attempt_ =
            std::chrono::steady_clock::now() +
            std::chrono::milliseconds(connector_.options_.reconnect_pause_ms);
      }
    }
    for (Waiter& waiter : waiters) waiter(outcome);
  }

  Connector& connector_;
};

Task<Result<LinkPtr>> Connector::link() {
  bool mine = false;
  {
    const std::lock_guard lock(mutex_);
    if (link_ != nullptr && link_->connected()) co_return link_;
    if (!attempting_) {
      if (std::chrono::steady_clock::now() < next_attempt_) co_return std::unexpected(error_);
      mine = attempting_ = true;
    }
  }
  if (mine) {
    Attempt attempt(*this);
    attempt.outcome = co_await make();
    co_return attempt.outcome;
  }
  auto outcome = co_await async_value<Result<LinkPtr>>([this](Waiter waiter) {
    Result<LinkPtr> known;
    {
      const std::lock_guard lock(mutex_);
      if (attempting_) {
        waiters_.push_back(std::move(waiter));
        return;
      }
      // It ended meanwhile.
      known =
          link_ != nullptr && link_->connected() ? Result<LinkPtr>(link_) : std::unexpected(error_);
    }
    waiter(std::move(known));
  });
  co_return outcome;
}

Task<Result<LinkPtr>> Connector::make() {
  LinkPtr before;
  {
    const std::lock_guard lock(mutex_);
    before = link_;
  }
  auto link = std::make_shared<Link>(options_);
  auto connected = co_await link->connect();
  if (!connected) co_return std::unexpected(std::move(connected.error()));
  if (before != nullptr && before->run_id() == link->run_id()) {
    co_await link->fence(before->connection_id());
  }
  co_return link;
}

void Connector::try_again() {
  const std::lock_guard lock(mutex_);
  next_attempt_ = {};
}

}  // namespace dataflow::redis
