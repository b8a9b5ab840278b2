// The limits and deadlines of the server. Sizes in bytes, times in milliseconds; the defaults suit
// a service behind a proxy or a load balancer as well as one in the open.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "dataflow/http/tls.h"

namespace dataflow::http {

struct Options {
  std::string host = "127.0.0.1";  // a name or an address; empty: every interface
  std::uint16_t port = 8080;       // 0: any free one
  std::size_t threads = 1;         // each with its own event loop; a connection stays on one

  std::size_t max_connections = 10'000;    // one more is answered 503 and closed
  std::uint32_t max_header_bytes = 8'192;  // request line and fields: 431
  std::size_t max_target_bytes = 2'048;    // 414
  std::uint64_t max_body_bytes = 1'024;    // of a body that nobody asked for: 413

  std::size_t max_unsent_bytes = 256 << 20;  // of large answers on their way, together: 503

  TlsFiles tls;                                         // empty: plain HTTP
  std::chrono::milliseconds handshake_timeout{10'000};  // until TLS is agreed on: closed

  std::chrono::milliseconds header_timeout{10'000};  // a request's first byte to its last: 408
  std::chrono::milliseconds idle_timeout{60'000};    // between requests: closed
  std::chrono::milliseconds request_timeout{5'000};  // until the store has answered: 503
  std::chrono::milliseconds write_timeout{30'000};   // until the client took its answer: closed
  std::chrono::milliseconds linger_timeout{1'000};  // for the client to close after our last answer
  std::chrono::milliseconds drain_timeout{10'000};  // for requests in flight after stop()
  std::chrono::seconds retry_after{1};              // what a 503 tells the client to wait

  // For a store that answers in line: an answer waits until the requests that came with its own
  // have been answered too; then all go out one after another. A client with many connections is
  // woken once for them and not for each, which costs the server less.
  bool gather_answers = false;

  // Takes whole lines (access_log.h) and leaves the text empty, from any thread of the server;
  // without it there are none.
  std::function<void(std::string& lines)> access_log;
  // Told what an operator should know (the store's errors, no more file descriptors), from any
  // thread of the server, not more than about once a second a thread.
  std::function<void(const std::string&)> log;
};

}  // namespace dataflow::http
