// The HTTP service: GET and HEAD /product/:id from a ProductService.
//
// listen(), then start(); stop() asks it to finish what is in flight, wait() until it has. The
// store must outlive the server and is called from every thread of it. Thread safety: stop() and
// reload_tls() from any thread and as often as one likes, the rest from one thread. Errors:
// kInvalid for a host that is none and for a certificate or a key that cannot be used, kUnavailable
// where the port is in use, kUnauthorized where it is not ours.
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

  // Reads the certificate and the key, where the options name them, and binds the address.
  Result<void> listen();
  std::string address()
      const;  // "127.0.0.1:8080", with the port that the system chose; after listen()
  std::uint16_t port() const;  // after listen()

  void start();
  // Reads certificate and key again: connections that begin from now on see the new ones, those
  // there are go on with what they have. An error leaves everything as it was. From any thread,
  // after listen(). Returns what the certificate is, for people.
  Result<std::string> reload_tls();
  // The same words on what listen() read; empty where the service does not speak TLS.
  std::string tls_description() const;
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
