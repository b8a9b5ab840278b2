#include "dataflow/http/server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/http/worker.h"

namespace dataflow::http {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kAcceptPause{
    100};                                   // after an error such as too many open files
constexpr std::size_t kMostRefusals = 256;  // told 503 at the same time; more are closed at once

std::string shown(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return host + ":" + std::to_string(endpoint.port());
}

std::unexpected<Error> cannot_listen(const std::string& where, const error_code& error) {
  const std::string what = "cannot listen on " + where;
  namespace errc = boost::system::errc;
  if (error == errc::address_in_use) {
    return fail(ErrorCode::kUnavailable,
                what + ": another program uses this port; stop it or choose another one (-listen)");
  }
  if (error == errc::permission_denied) {
    return fail(ErrorCode::kUnauthorized,
                what + ": not permitted; ports under 1024 need privileges, choose another one");
  }
  if (error == errc::too_many_files_open || error == errc::too_many_files_open_in_system) {
    return fail(ErrorCode::kUnavailable, what + ": allow more open files (ulimit -n)");
  }
  return fail(ErrorCode::kInvalid, what + ": " + error.message());
}

}  // namespace

struct Server::State {
  State(Options options, ProductService& service)
      : shared{std::move(options), service}, workers(make_workers(shared)) {}

  static std::vector<std::unique_ptr<Worker>> make_workers(Shared& shared) {
    std::vector<std::unique_ptr<Worker>> made;
    const std::size_t threads = std::max<std::size_t>(shared.options.threads, 1);
    for (std::size_t i = 0; i < threads; ++i) made.push_back(std::make_unique<Worker>(shared));
    return made;
  }

  Result<tcp::endpoint> resolve() const;
  Result<void> open(const tcp::endpoint& endpoint);
  void accept();
  void stop(void (Worker::*how)());
  void accepted(const error_code& error, tcp::socket socket, Worker& worker);

  Shared shared;
  std::vector<std::unique_ptr<Worker>> workers;
  tcp::acceptor acceptor{workers_context()};
  boost::asio::steady_timer pause{workers_context()};
  std::size_t next = 0;
  std::string tls_description;
  bool started = false;
  bool waited = false;
  std::size_t in_store = 0;  // after wait()

 private:
  boost::asio::io_context& workers_context() { return workers.front()->context(); }
};

// The address to listen on: IPv4 where a name has both, for that is what most clients try to reach.
Result<tcp::endpoint> Server::State::resolve() const {
  const Options& options = shared.options;
  if (options.host.empty()) return tcp::endpoint(tcp::v6(), options.port);
  boost::asio::io_context context;
  tcp::resolver resolver(context);
  error_code error;
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port),
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail(ErrorCode::kInvalid,
                "cannot listen on " + options.host + ": no such host or address", error.message());
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

Result<void> Server::State::open(const tcp::endpoint& endpoint) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error && endpoint.address().is_unspecified() && endpoint.address().is_v6()) {
    acceptor.set_option(boost::asio::ip::v6_only(false), error);
  }
  // A server that is started again must not wait for the connections of the last one to be
  // forgotten.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (!error) return {};
  error_code ignored;
  acceptor.close(ignored);
  return cannot_listen(shown(endpoint), error);
}

void Server::State::accept() {
  Worker& worker = *workers[next++ % workers.size()];
  acceptor.async_accept(worker.context(), [this, &worker](error_code error, tcp::socket socket) {
    accepted(error, std::move(socket), worker);
  });
}

void Server::State::accepted(const error_code& error, tcp::socket socket, Worker& worker) {
  if (!acceptor.is_open()) return;
  if (error && error != boost::asio::error::connection_aborted) {
    workers.front()->report("cannot accept a connection: " + error.message());
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const error_code& cancelled) {
      if (!cancelled && acceptor.is_open()) accept();
    });
    return;
  }
  if (!error) {
    const bool refused = shared.connections.fetch_add(1) >= shared.options.max_connections;
    if (refused) shared.connections.fetch_sub(1);
    if (!refused) {
      worker.adopt(std::move(socket), false);
    } else if (shared.refusals.fetch_add(1) < kMostRefusals) {
      workers.front()->report("more than " + std::to_string(shared.options.max_connections) +
                              " connections: answering 503");
      worker.adopt(std::move(socket), true);
    } else {
      shared.refusals.fetch_sub(1);  // the socket is closed with its owner
    }
  }
  accept();
}

void Server::State::stop(void (Worker::*how)()) {
  boost::asio::post(workers_context(), [this, how] {
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    for (auto& worker : workers) (worker.get()->*how)();
  });
}

Server::Server(Options options, ProductService& store)
    : state_(std::make_unique<State>(std::move(options), store)) {}

// Calls of the store that have not come back still refer to their worker: it has to stay.
void Server::leave_behind(std::unique_ptr<State> state) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::unique_ptr<State>>;  // never destroyed
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(state));
}

Server::~Server() {
  if (state_->started && !state_->waited) {
    state_->stop(&Worker::abort);
    wait();
  }
  if (state_->in_store > 0) leave_behind(std::move(state_));
}

Result<void> Server::listen() {
  if (!state_->shared.options.tls.empty()) {
    auto loaded = reload_tls();
    if (!loaded) return std::unexpected(std::move(loaded.error()));
    state_->tls_description = std::move(*loaded);
  }
  const auto endpoint = state_->resolve();
  if (!endpoint) return std::unexpected(endpoint.error());
  auto opened = state_->open(*endpoint);
  if (!opened && state_->shared.options.host.empty() &&
      opened.error().code == ErrorCode::kInvalid) {
    opened = state_->open(tcp::endpoint(tcp::v4(), endpoint->port()));  // a system without IPv6
  }
  return opened;
}

Result<std::string> Server::reload_tls() {
  auto identity = load_tls(state_->shared.options.tls);
  if (!identity) return std::unexpected(std::move(identity.error()));
  for (auto& worker : state_->workers) worker->use_tls(identity->context);
  return describe(*identity, std::time(nullptr));
}

std::string Server::tls_description() const { return state_->tls_description; }

std::string Server::address() const {
  error_code ignored;
  return shown(state_->acceptor.local_endpoint(ignored));
}

std::uint16_t Server::port() const {
  error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

void Server::start() {
  state_->started = true;
  state_->accept();
  for (auto& worker : state_->workers) worker->start();
}

void Server::stop() { state_->stop(&Worker::drain); }

std::size_t Server::wait() {
  if (state_->waited || !state_->started) return state_->in_store;
  for (auto& worker : state_->workers) state_->in_store += worker->join();
  state_->waited = true;
  return state_->in_store;
}

}  // namespace dataflow::http
