// The bytes of one client, as they are or inside TLS.
//
// One thread; one read and one write at a time at most. It is destroyed after its operations have
// ended, and is never moved: they refer to it.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <string_view>
#include <tuple>

#include "dataflow/http/tls.h"
#include "dataflow/task.h"

namespace boost::asio::ssl {
template <class Stream>
class stream;
}

namespace dataflow::http {

class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Error = boost::system::error_code;

  // Without a context: as they are.
  Stream(Socket socket, TlsContext tls);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  bool is_encrypted() const { return tls_ != nullptr; }
  // Below TLS, where there is any: for options, addresses, cancel and close.
  Socket& socket() { return socket_; }

  // Before anything else is read or written, where it is encrypted.
  Task<std::tuple<Error>> handshake();
  Task<std::tuple<Error, std::size_t>> read_some(boost::asio::mutable_buffer space);
  // Everything; an error where that was not possible. Tries without waiting first.
  Task<Error> write(std::string_view bytes);
  // Says that nothing more will come. What the client still sends can be read from the socket.
  Task<Error> shutdown();

 private:
  Socket socket_;
  const TlsContext context_;
  std::unique_ptr<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace dataflow::http
