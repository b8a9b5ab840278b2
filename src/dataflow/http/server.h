// The HTTP service: GET and HEAD /product/:id from a ProductService.
//
// listen(), then start(); stop() asks it to finish what is in flight, wait() until it has. The
// store must outlive the server and is called from every thread of it. Thread safety: stop() from
// any thread and as often as one likes, the rest from one thread. Errors: kInvalid for a host that
// is none, kUnavailable where the port is in use, kUnauthorized where it is not ours.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dataflow/error.h"
#include "dataflow/http/options.h"
#include "dataflow/product_service.h"

namespace dataflow::http {

class Server {
 public:
  Server(Options options, ProductService& store);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Stops without draining where nobody did it before.
  ~Server();

  Result<void> listen();
  std::string address()
      const;  // "127.0.0.1:8080", with the port that the system chose; after listen()
  std::uint16_t port() const;  // after listen()

  void start();
  void stop();
  // Until every thread has ended, at most drain_timeout and a moment after stop(). Returns how many
  // calls of the store have not come back: where there are any, the process must end without
  // destroying the store.
  std::size_t wait();

 private:
  struct State;
  static void leave_behind(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace dataflow::http
