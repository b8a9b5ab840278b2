#include "dataflow/http/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "dataflow/http/access_log.h"
#include "dataflow/http/product_handler.h"
#include "dataflow/http/unsent_bytes.h"

namespace dataflow::http {
namespace {

using boost::beast::http::verb;
using boost::system::error_code;

constexpr auto kAsTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

constexpr std::size_t kReadBytes = 4'096;          // asked of the socket at once, at least
constexpr std::size_t kLingerBytes = 256 * 1'024;  // read and thrown away after the last answer
constexpr std::size_t kKeptOutput = 64 * 1'024;    // memory that a connection keeps between answers
static_assert(kSmallAnswer <= kKeptOutput);

// Assignment of an empty string would keep the memory.
void shrink(std::string& text) {
  if (text.capacity() > kKeptOutput) std::string().swap(text);
}

}  // namespace

void Connection::start(Worker& worker, Socket socket, bool refused) {
  auto self = std::make_shared<Connection>(worker, std::move(socket), refused);
  auto task = refused ? refuse(self) : serve(self);
  boost::asio::co_spawn(worker.context(), std::move(task), boost::asio::detached);
}

Connection::Connection(Worker& worker, Socket socket, bool refused)
    : worker_(worker), stream_(std::move(socket), worker.tls()), refused_(refused) {
  if (worker.options().access_log) {
    error_code ignored;
    const auto endpoint = stream_.socket().remote_endpoint(ignored);
    if (!ignored) client_ = endpoint.address().to_string();
  }
  enter(Phase::kIdle, worker.options().header_timeout);
  worker_.add(*this);
}

Connection::~Connection() {
  worker_.remove(*this);
  auto& count = refused_ ? worker_.shared().refusals : worker_.shared().connections;
  count.fetch_sub(1, std::memory_order_relaxed);
}

Task<void> Connection::serve(std::shared_ptr<Connection> self) {
  if (self->worker_.draining()) co_return;
  bool goes_on = true;
  if (self->stream_.is_encrypted()) goes_on = co_await self->handshake();
  if (!goes_on) co_return;
  while (goes_on) {
    const Incoming incoming = co_await self->read_request();
    if (incoming == Incoming::kGone) co_return;
    if (incoming == Incoming::kBad) {
      co_await self->answer_bad();
      goes_on = false;
    } else {
      goes_on = co_await self->answer();
    }
    self->first_request_ = false;
  }
  if (!self->abandoned_) co_await self->linger();
}

Task<void> Connection::refuse(std::shared_ptr<Connection> self) {
  if (self->stream_.is_encrypted()) {
    const bool shaken = co_await self->handshake();
    if (!shaken) co_return;
  }
  self->began_ = Clock::now();
  set_problem(self->response_, 503, "Too many connections; try again.");
  const bool sent = co_await self->write_response(After::kClose);
  if (sent) co_await self->linger();
}

Task<bool> Connection::handshake() {
  enter(Phase::kHandshake, worker_.options().handshake_timeout);
  const auto [error] = co_await stream_.handshake();
  if (!error) co_return true;
  // Who only looks whether the port is open, leaves or is told to leave, is no news.
  const bool is_news = error.category() == boost::asio::error::get_ssl_category();
  if (is_news) worker_.report("a TLS handshake failed: " + error.message());
  co_return false;
}

Task<Connection::Incoming> Connection::read_request() {
  parser_.emplace(worker_.options(), target_);
  bad_ = {};
  const auto& options = worker_.options();
  enter(Phase::kIdle, first_request_ ? options.header_timeout : options.idle_timeout);
  began_ = Clock::now();
  while (true) {
    const auto data = input_.cdata();
    std::size_t consumed = 0;
    const auto progress =
        parser_->parse({static_cast<const char*>(data.data()), data.size()}, consumed);
    input_.consume(consumed);
    // Empty lines before it are no request (RFC 9112, 2.2).
    if (phase_ == Phase::kIdle && parser_->started()) {
      enter(Phase::kReading, options.header_timeout);
      began_ = Clock::now();
    }
    if (phase_ == Phase::kIdle && worker_.draining()) co_return Incoming::kGone;
    if (progress == RequestParser::Progress::kDone) co_return Incoming::kRequest;
    if (progress == RequestParser::Progress::kBad) {
      bad_ = parser_->bad();
      co_return Incoming::kBad;
    }
    if (progress == RequestParser::Progress::kHeader) {
      if (!parser_->expects_continue() || input_.size() > 0) continue;
      const error_code failed = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
      if (failed) co_return Incoming::kGone;
      enter(Phase::kReading, worker_.options().header_timeout);
    }
    const bool received = co_await read_some();
    if (timed_out_) {
      bad_ = {408, "The request did not come in time."};
      co_return Incoming::kBad;
    }
    if (!received) co_return Incoming::kGone;
  }
}

Task<bool> Connection::read_some() {
  const auto space = input_.prepare(kReadBytes);
  const auto [error, received] = co_await stream_.read_some(space);
  if (error) co_return false;
  input_.commit(received);
  co_return true;
}

Task<bool> Connection::answer() {
  const Route wanted = route(parser_->method(), target_);
  if (wanted.kind == Route::Kind::kProduct) {
    enter(Phase::kStore, worker_.options().request_timeout);
    in_store_ = true;
    Result<Product> found = fail(ErrorCode::kInternal, "the store threw an exception");
    try {
      found = co_await worker_.shared().store.find(wanted.id);
    } catch (const std::exception& error) {
      found.error().cause = error.what();  // a broken contract must not take the worker with it
    }
    in_store_ = false;
    if (abandoned_) co_return false;
    if (!found && found.error().code != ErrorCode::kNotFound) {
      worker_.report("the store could not be read: " + found.error().describe());
    }
    answer_product(found, response_);
  } else {
    answer_route(wanted, response_);
  }
  const bool has_body = parser_->method() != verb::head;
  const UnsentBytes unsent(worker_.shared().unsent_bytes, worker_.options().max_unsent_bytes,
                           has_body ? response_.body.size() : 0);
  if (!unsent.has_room()) answer_no_room();
  if (worker_.options().gather_answers) {
    enter(Phase::kWriting, worker_.options().write_timeout);
    // Behind all that is ready now.
    co_await boost::asio::post(boost::asio::use_awaitable);
  }
  const After after = after_request();
  const bool sent = co_await write_response(after);
  if (sent && after == After::kClose) co_return false;
  if (!sent) close();
  co_return sent;
}

void Connection::answer_no_room() {
  worker_.report("answers that clients do not take hold " +
                 std::to_string(worker_.options().max_unsent_bytes) +
                 " bytes: answering 503 to who asks for a large one");
  shrink(response_.body);
  set_problem(response_, 503, "Too many large answers are on their way; try again.");
}

Task<void> Connection::answer_bad() {
  set_problem(response_, bad_.status, bad_.detail);
  const bool sent = co_await write_response(After::kClose);
  if (!sent) close();
}

// The store has not answered in time, but its call cannot be taken back: this coroutine answers in
// place of the one that waits for it. The connection's slot stays taken until the call comes back,
// so that a stuck store cannot pile up calls without end.
Task<void> Connection::answer_for_the_store(std::shared_ptr<Connection> self) {
  set_problem(self->response_, 503, "The store did not answer in time; try again.");
  const bool sent = co_await self->write_response(After::kClose);
  if (sent) co_await self->linger();
  self->close();
}

After Connection::after_request() const {
  if (!parser_->keep_alive() || worker_.draining()) return After::kClose;
  return parser_->version() >= 11 ? After::kKeepAlive : After::kKeepAliveTold;
}

Task<bool> Connection::write_response(After after) {
  enter(Phase::kWriting, worker_.options().write_timeout);
  const bool is_head = parser_ && parser_->method() == verb::head;
  const std::size_t size = is_head ? 0 : response_.body.size();
  const bool is_large = size > kSmallAnswer;  // not copied, then, but written after its head
  output_.clear();
  append_response(output_, response_, is_head || is_large, after, worker_.date(),
                  worker_.options().retry_after);
  if (is_head) shrink(response_.body);
  error_code failed = co_await stream_.write(output_);
  if (!failed && is_large) failed = co_await stream_.write(response_.body);
  log_access(size);
  shrink(output_);
  shrink(response_.body);
  co_return !failed;
}

// Closing a socket with unread input resets the connection, which can destroy the answer on its
// way: so the client closes first, for a while.
Task<void> Connection::linger() {
  enter(Phase::kLingering, worker_.options().linger_timeout);
  const error_code error = co_await stream_.shutdown();
  if (error) co_return;
  input_.clear();
  std::size_t total = 0;
  while (total < kLingerBytes) {
    const auto space = input_.prepare(kReadBytes);
    const auto [failed, received] = co_await stream_.socket().async_read_some(space, kAsTuple);
    if (failed) co_return;
    total += received;
  }
}

void Connection::enter(Phase phase, std::chrono::milliseconds timeout) {
  phase_ = phase;
  deadline_ = Clock::now() + timeout;
}

void Connection::check_deadline(Clock::time_point now) {
  if (now < deadline_) return;
  switch (phase_) {
    case Phase::kReading: {
      timed_out_ = true;
      error_code ignored;
      stream_.socket().cancel(ignored);
      enter(Phase::kWriting, worker_.options().write_timeout);
      return;
    }
    case Phase::kStore:
      worker_.report("the store did not answer within " +
                     std::to_string(worker_.options().request_timeout.count()) + " ms");
      abandon_store();
      return;
    case Phase::kHandshake:
    case Phase::kIdle:
    case Phase::kWriting:
    case Phase::kLingering:
      close();
  }
}

void Connection::abandon_store() {
  abandoned_ = true;
  boost::asio::co_spawn(worker_.context(), answer_for_the_store(shared_from_this()),
                        boost::asio::detached);
}

void Connection::drain() {
  error_code ignored;
  // Who has not even agreed on TLS has asked for nothing. What has arrived already is a request
  // under way.
  if (phase_ == Phase::kHandshake) close();
  if (phase_ == Phase::kIdle && stream_.socket().available(ignored) == 0) close();
}

void Connection::end_now() {
  if (phase_ == Phase::kStore) {
    abandon_store();
  } else {
    close();
  }
}

void Connection::close() {
  error_code ignored;
  stream_.socket().close(ignored);
}

void Connection::log_access(std::size_t bytes) {
  if (!worker_.options().access_log) return;
  const bool understood = parser_ && parser_->has_line();
  append_access_line(
      worker_.access_lines(), access_time(std::chrono::system_clock::now()),
      {client_, understood ? parser_->method_text() : std::string_view(),
       understood ? std::string_view(target_) : std::string_view(), response_.status, bytes,
       std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_)});
}

}  // namespace dataflow::http
