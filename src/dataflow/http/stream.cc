#include "dataflow/http/stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace dataflow::http {
namespace {

constexpr auto kAsTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace

Stream::Stream(Socket socket, TlsContext tls)
    : socket_(std::move(socket)), context_(std::move(tls)) {
  if (context_ != nullptr) {
    tls_ = std::make_unique<boost::asio::ssl::stream<Socket&>>(socket_, *context_);
  }
  Error ignored;
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);  // write() tries first without waiting
}

Stream::~Stream() = default;

Task<std::tuple<Stream::Error>> Stream::handshake() {
  return tls_->async_handshake(boost::asio::ssl::stream_base::server, kAsTuple);
}

Task<std::tuple<Stream::Error, std::size_t>> Stream::read_some(boost::asio::mutable_buffer space) {
  if (tls_ != nullptr) return tls_->async_read_some(space, kAsTuple);
  return socket_.async_read_some(space, kAsTuple);
}

Task<Stream::Error> Stream::write(std::string_view bytes) {
  if (tls_ != nullptr) {
    const auto done =
        co_await boost::asio::async_write(*tls_, boost::asio::buffer(bytes), kAsTuple);
    co_return std::get<0>(done);
  }
  while (!bytes.empty()) {
    Error error;
    std::size_t sent = socket_.write_some(boost::asio::buffer(bytes), error);
    if (error == boost::asio::error::would_block) {
      error = std::get<0>(co_await socket_.async_wait(Socket::wait_write, kAsTuple));
      sent = 0;
    }
    if (error) co_return error;
    bytes.remove_prefix(sent);
  }
  co_return Error();
}

Task<Stream::Error> Stream::shutdown() {
  if (tls_ != nullptr) {
    // An error where the client sends instead of answering: it has been told all the same.
    const auto told = co_await tls_->async_shutdown(kAsTuple);
    static_cast<void>(told);
  }
  Error error;
  socket_.shutdown(Socket::shutdown_send, error);
  co_return error;
}

}  // namespace dataflow::http
