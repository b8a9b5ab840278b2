#include "dataflow/http/worker.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <ctime>
#include <utility>

#include "dataflow/http/connection.h"
#include "dataflow/http/response.h"

namespace dataflow::http {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestTick{1};
constexpr milliseconds kLongestTick{250};
// How long a request may take to send its last words after the drain's deadline.
constexpr milliseconds kLastWords{250};
constexpr std::chrono::seconds kReportInterval{1};

milliseconds tick_of(const Options& options) {
  const auto shortest =
      std::min({options.handshake_timeout, options.header_timeout, options.idle_timeout,
                options.request_timeout, options.write_timeout, options.linger_timeout});
  return std::clamp(shortest / 8, kShortestTick, kLongestTick);
}

}  // namespace

Worker::Worker(Shared& shared) : shared_(shared), tick_interval_(tick_of(shared.options)) {
  date_of_ = std::time(nullptr);
  date_ = http_date(date_of_);
}

void Worker::start() {
  schedule_tick();
  thread_ = std::thread([this] { context_.run(); });
}

void Worker::drain() {
  boost::asio::post(context_, [this] { begin_drain(options().drain_timeout); });
}

void Worker::abort() {
  boost::asio::post(context_, [this] { begin_drain(Clock::duration::zero()); });
}

std::size_t Worker::join() {
  if (thread_.joinable()) thread_.join();
  ended_ = true;
  if (options().access_log) options().access_log(access_lines_);
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const Connection* c) { return c->in_store(); }));
}

void Worker::use_tls(TlsContext tls) {
  boost::asio::post(context_, [this, tls = std::move(tls)]() mutable { tls_ = std::move(tls); });
}

void Worker::adopt(boost::asio::ip::tcp::socket socket, bool refused) {
  boost::asio::dispatch(context_, [this, socket = std::move(socket), refused]() mutable {
    Connection::start(*this, std::move(socket), refused);
  });
}

void Worker::add(Connection& connection) {
  connection.set_index(connections_.size());
  connections_.push_back(&connection);
}

void Worker::remove(Connection& connection) {
  const std::size_t index = connection.index();
  connections_[index] = connections_.back();
  connections_[index]->set_index(index);
  connections_.pop_back();
  if (draining_ && connections_.empty() && !ended_) timer_.cancel();
}

void Worker::report(const std::string& what) {
  const auto now = Clock::now();
  if (now - last_report_ < kReportInterval) {
    ++unreported_;
    return;
  }
  last_report_ = now;
  if (!shared_.options.log) return;
  const std::size_t others = std::exchange(unreported_, 0);
  shared_.options.log(others == 0 ? what
                                  : what + "; and " + std::to_string(others) + " more since");
}

void Worker::schedule_tick() {
  timer_.expires_after(tick_interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Worker::tick() {
  const std::time_t second = std::time(nullptr);
  if (second != date_of_) {
    date_of_ = second;
    date_ = http_date(second);
  }
  if (options().access_log && !access_lines_.empty()) {
    options().access_log(access_lines_);
  }
  const auto now = Clock::now();
  // From the end: a connection that ends here is replaced by one that was looked at.
  for (std::size_t i = connections_.size(); i > 0; --i) connections_[i - 1]->check_deadline(now);
  if (draining_) {
    if (connections_.empty()) return;
    if (now >= drain_by_ && !std::exchange(forced_, true)) {
      for (std::size_t i = connections_.size(); i > 0; --i) connections_[i - 1]->end_now();
    }
    if (now >= drain_by_ + kLastWords) {
      context_.stop();
      return;
    }
  }
  schedule_tick();
}

void Worker::begin_drain(Clock::duration timeout) {
  const auto drain_by = Clock::now() + timeout;
  drain_by_ = draining_ ? std::min(drain_by_, drain_by) : drain_by;
  draining_ = true;
  for (std::size_t i = connections_.size(); i > 0; --i) connections_[i - 1]->drain();
  if (connections_.empty()) timer_.cancel();
}

}  // namespace dataflow::http
