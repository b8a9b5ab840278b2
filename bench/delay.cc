// A proxy on loopback that makes a server look as far away as S3 is:
//
//   bench_delay LISTEN_PORT SERVER_PORT DELAY_MS
//
// What a client sends reaches the server DELAY_MS later, piece by piece; answers are handed on at
// once. So each request takes that much longer, and nothing is slower by its size. Ends with the
// process that started it.
#include <signal.h>
#include <sys/prctl.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <utility>

#include "dataflow/task.h"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using dataflow::Task;
using std::chrono::milliseconds;

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

struct Pair {
  tcp::socket client;
  tcp::socket server;
};

// Hands on what comes from one side until it ends; then the other side is told so.
Task<void> hand_on(std::shared_ptr<Pair> pair, bool to_server, milliseconds delay) {
  tcp::socket& from = to_server ? pair->client : pair->server;
  tcp::socket& to = to_server ? pair->server : pair->client;
  const auto buffer = std::make_unique<std::array<char, kBufferBytes>>();
  asio::steady_timer timer(from.get_executor());
  while (true) {
    const auto [read_error, size] = co_await from.async_read_some(asio::buffer(*buffer), kTuple);
    if (read_error) break;
    if (delay.count() > 0) {
      timer.expires_after(delay);
      co_await timer.async_wait(kTuple);
    }
    const auto [write_error, written] =
        co_await asio::async_write(to, asio::buffer(buffer->data(), size), kTuple);
    if (write_error) break;
  }
  boost::system::error_code ignored;
  to.shutdown(tcp::socket::shutdown_send, ignored);
}

Task<void> accept_all(asio::io_context& io, unsigned short listen, unsigned short server,
                      milliseconds delay) {
  const auto loopback = asio::ip::address_v4::loopback();
  tcp::acceptor acceptor(io, {loopback, listen});
  while (true) {
    auto [accept_error, client] = co_await acceptor.async_accept(kTuple);
    if (accept_error) continue;
    auto pair = std::make_shared<Pair>(Pair{std::move(client), tcp::socket(io)});
    const auto [connect_error] =
        co_await pair->server.async_connect(tcp::endpoint(loopback, server), kTuple);
    if (connect_error) continue;
    pair->client.set_option(tcp::no_delay(true));
    pair->server.set_option(tcp::no_delay(true));
    asio::co_spawn(io, hand_on(pair, true, delay), asio::detached);
    asio::co_spawn(io, hand_on(pair, false, milliseconds(0)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_delay LISTEN_PORT SERVER_PORT DELAY_MS\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  asio::io_context io(1);
  const auto port = [argv](int i) { return static_cast<unsigned short>(std::atoi(argv[i])); };
  asio::co_spawn(io, accept_all(io, port(1), port(2), milliseconds(std::atoi(argv[3]))),
                 [](const std::exception_ptr& failure) {
                   if (failure) std::rethrow_exception(failure);
                 });
  io.run();
}
