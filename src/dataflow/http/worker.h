// One thread with its event loop and the connections that live on it.
//
// Deadlines are kept by one timer a worker, which looks at every connection each tick: cheaper than
// a timer a read and a write, and exact to a tick, which is an eighth of the shortest deadline, 1
// ms to 250 ms. Everything but start(), drain(), abort(), join(), use_tls() and adopt() happens on
// the worker's thread.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dataflow/http/options.h"
#include "dataflow/http/tls.h"
#include "dataflow/product_service.h"

namespace dataflow::http {

class Connection;

// What all workers of a server share.
struct Shared {
  Options options;
  ProductService& store;
  std::atomic<std::size_t> connections{0};  // served ones
  std::atomic<std::size_t> refusals{0};  // those that are being told 503 because there are too many
  std::atomic<std::size_t> unsent_bytes{0};  // of the bodies that UnsentBytes counts
};

class Worker {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Worker(Shared& shared);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // Serves no more than what is in flight, and ends.
  void drain();
  // Serves nothing any more, and ends.
  void abort();
  // Waits until the thread has ended. Returns how many requests still wait for the store: then
  // neither the worker nor what they use may be destroyed.
  std::size_t join();

  // What connections that begin from now on show; null: they are not encrypted.
  void use_tls(TlsContext tls);
  const TlsContext& tls() const { return tls_; }

  // Serves the socket, whose executor is this worker's; or tells it that there are too many.
  void adopt(boost::asio::ip::tcp::socket socket, bool refused);

  boost::asio::io_context& context() { return context_; }
  Shared& shared() { return shared_; }
  const Options& options() const { return shared_.options; }
  bool draining() const { return draining_; }
  std::string_view date() const { return date_; }
  std::string& access_lines() { return access_lines_; }

  // Connections tell when they begin and end.
  void add(Connection& connection);
  void remove(Connection& connection);

  // For the operator, not more than about once a second.
  void report(const std::string& what);

 private:
  void schedule_tick();
  void tick();
  void begin_drain(Clock::duration timeout);

  Shared& shared_;
  TlsContext tls_;
  std::vector<Connection*>
      connections_;  // before the context: coroutines it destroys remove themselves
  std::string access_lines_;
  std::string date_;
  std::time_t date_of_ = 0;
  Clock::time_point last_report_{};
  std::size_t unreported_ = 0;
  Clock::duration tick_interval_;
  bool draining_ = false;
  bool forced_ = false;
  bool ended_ = false;  // the thread has ended
  Clock::time_point drain_by_{};
  boost::asio::io_context context_{1};
  boost::asio::steady_timer timer_{context_};
  std::thread thread_;
};

}  // namespace dataflow::http
