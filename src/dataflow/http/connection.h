// One client: reads requests one after another, answers each, until one of the two has enough.
//
// It lives on its worker's thread and owns itself: its coroutines hold it, and it tells the worker
// when it begins and ends. At any time it is in one phase with one deadline, which the worker's
// tick checks.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dataflow/http/request_parser.h"
#include "dataflow/http/response.h"
#include "dataflow/http/stream.h"
#include "dataflow/http/worker.h"
#include "dataflow/task.h"

namespace dataflow::http {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = Worker::Clock;
  using Socket = Stream::Socket;

  static void start(Worker& worker, Socket socket, bool refused);

  Connection(Worker& worker, Socket socket, bool refused);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // For the worker.
  void check_deadline(Clock::time_point now);
  void drain();    // no request after the one that is under way
  void end_now();  // the drain's deadline has passed
  bool in_store() const { return in_store_; }
  std::size_t index() const { return index_; }
  void set_index(std::size_t index) { index_ = index; }

 private:
  enum class Phase {
    kHandshake,
    kIdle,     // waits for the first byte of a request
    kReading,  // has some of it
    kStore,    // waits for the store
    kWriting,
    kLingering,  // has said its last word and waits for the client to close
  };
  enum class Incoming { kRequest, kBad, kGone };

  static Task<void> serve(std::shared_ptr<Connection> self);
  static Task<void> refuse(std::shared_ptr<Connection> self);
  static Task<void> answer_for_the_store(std::shared_ptr<Connection> self);

  // Where the service speaks TLS; false when the connection is over.
  Task<bool> handshake();
  Task<Incoming> read_request();
  Task<bool> read_some();
  // Answers the request that was read; false when the connection is over.
  Task<bool> answer();
  void answer_no_room();
  Task<void> answer_bad();
  Task<bool> write_response(After after);
  Task<void> linger();

  void enter(Phase phase, std::chrono::milliseconds timeout);
  void abandon_store();
  After after_request() const;
  void log_access(std::size_t bytes);
  void close();

  Worker& worker_;
  Stream stream_;
  const bool refused_;
  std::size_t index_ = 0;
  Phase phase_ = Phase::kIdle;
  Clock::time_point deadline_;
  bool timed_out_ = false;  // while reading: answer 408
  bool in_store_ = false;   // a call of the store has not come back
  bool abandoned_ = false;  // nobody waits for it any more
  bool first_request_ = true;

  boost::beast::flat_buffer input_;
  std::optional<RequestParser> parser_;
  BadRequest bad_;
  std::string target_;
  Response response_;
  std::string output_;
  std::string client_;
  Clock::time_point began_;  // the request
};

}  // namespace dataflow::http
