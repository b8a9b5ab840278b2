// Goal: whatever bytes a client sends, the server answers with legal HTTP and closes; what it
// understands does not depend on where packets end.
//
// Input: one byte of settings, then what the client sends before it shuts its side down. The server
// is the real one, on loopback, with a store that knows, does not know, fails and throws.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/http/request_parser.h"
#include "dataflow/http/server.h"
#include "dataflow/mock/product_service.h"
#include "fuzz/support.h"

namespace dataflow::http {
namespace {

using fuzz::check;

constexpr int kPatienceMs = 10'000;

Result<Product> find(ProductId id) {
  if (id % 5 == 1) return fail(ErrorCode::kUnavailable, "the store is away");
  if (id % 5 == 3) throw std::runtime_error("a broken contract");
  if (id % 5 == 4) return fail(ErrorCode::kNotFound, "none");
  return Product{id, "Lamp \"\x01\xC3\xBC", 0.1, "c", {}, "u", std::string(300, 'd')};
}

// The server lives as long as the fuzzer.
std::uint16_t server_port() {
  static mock::ProductService* const store = [] {
    auto* made = new mock::ProductService;
    made->find_fn = find;
    return made;
  }();
  static Server* const server = [] {
    Options options;
    options.port = 0;
    options.linger_timeout = std::chrono::milliseconds(2'000);
    auto* made = new Server(options, *store);
    check(made->listen().has_value(), "the server listens");
    made->start();
    return made;
  }();
  return server->port();
}

class Client {
 public:
  Client() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const int yes = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    // Reset at the end: a million closed connections must not wait for their addresses.
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int code = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    check(code == 0 || errno == EINPROGRESS, "the server can be reached");
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends everything in pieces, reads meanwhile and until the server closes.
  std::string exchange(std::string_view bytes, std::size_t piece) {
    std::string received;
    bool sending = true;
    while (true) {
      const short events = static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN);
      pollfd ready{socket_, events, 0};
      int polled = -1;
      do {
        polled = ::poll(&ready, 1, kPatienceMs);
      } while (polled < 0 && errno == EINTR);  // libFuzzer's alarm clock
      check(polled > 0, "the server answers or closes", bytes);
      if (sending && (ready.revents & POLLOUT) != 0) sending = send_some(bytes, piece);
      if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      char buffer[16'384];
      const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
      if (size > 0) received.append(buffer, static_cast<std::size_t>(size));
      if (size == 0 || (size < 0 && errno != EAGAIN)) return received;
    }
  }

 private:
  bool send_some(std::string_view& bytes, std::size_t piece) {
    const std::string_view some = bytes.substr(0, piece);
    const ssize_t sent = some.empty() ? 0 : ::send(socket_, some.data(), some.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;  // closed already
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    if (!bytes.empty()) return true;
    ::shutdown(socket_, SHUT_WR);
    return false;
  }

  int socket_;
};

std::string_view field(std::string_view head, std::string_view name) {
  const std::string wanted = "\r\n" + std::string(name) + ": ";
  const std::size_t at = head.find(wanted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = head.substr(at + wanted.size());
  return rest.substr(0, rest.find("\r\n"));
}

bool is_known(std::string_view status) {
  for (const std::string_view known : {"100", "200", "204", "400", "404", "405", "408", "413",
                                       "414", "417", "431", "500", "503", "505"}) {
    if (status == known) return true;
  }
  return false;
}

// Takes one answer off the text.
void check_answer(std::string_view& text, bool may_be_without_body) {
  const std::size_t end = text.find("\r\n\r\n");
  check(end != std::string_view::npos, "an answer has a whole head", text);
  const std::string_view head = text.substr(0, end);
  text.remove_prefix(end + 4);
  check(head.starts_with("HTTP/1.1 ") && is_known(head.substr(9, 3)), "an answer has a status",
        head);
  const bool closes = field(head, "Connection") == "close";
  const std::string_view length = field(head, "Content-Length");
  std::size_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  const bool has_body = text.starts_with('{');  // heads begin otherwise
  check(has_body || size == 0 || may_be_without_body, "an answer has its body", head);
  if (has_body) {
    check(size > 0 && size <= text.size(), "a body is whole", head);
    check(text[size - 1] == '}', "a body is one object", head);
    text.remove_prefix(size);
  }
  check(!closes || text.empty(), "nothing follows the last answer", text);
}

// A request that was understood.
struct Understood {
  boost::beast::http::verb method;
  int version;
  std::string target;
  friend bool operator==(const Understood&, const Understood&) = default;
};

// What a connection makes of the bytes when each read brings `piece` of them.
std::vector<Understood> understood(std::string_view bytes, std::size_t piece) {
  const Options options;
  std::vector<Understood> requests;
  std::string input;
  std::string target;
  auto parser = std::make_unique<RequestParser>(options, target);
  while (true) {
    std::size_t consumed = 0;
    const auto progress = parser->parse(input, consumed);
    check(consumed <= input.size(), "no more is consumed than there is", bytes);
    input.erase(0, consumed);
    if (progress == RequestParser::Progress::kHeader) continue;
    if (progress == RequestParser::Progress::kBad) {
      check(parser->bad().status >= 400, "what is wrong has a status", bytes);
      return requests;
    }
    if (progress == RequestParser::Progress::kDone) {
      requests.push_back({parser->method(), parser->version(), target});
      if (!parser->keep_alive()) return requests;
      parser = std::make_unique<RequestParser>(options, target);
      continue;
    }
    if (bytes.empty()) return requests;
    input += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

void check_understanding(std::string_view bytes, std::size_t piece) {
  const auto at_once = understood(bytes, bytes.size() + 1);
  const auto in_pieces = understood(bytes, piece);
  check(at_once == in_pieces, "where packets end does not matter", bytes);
}

}  // namespace
}  // namespace dataflow::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dataflow::http;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] < 64 ? std::size_t{1} + data[0] : 65'536;
  check_understanding(bytes, piece);
  Client client;
  const std::string received = client.exchange(bytes, piece);
  const bool heads = bytes.contains("HEAD");
  std::string_view left = received;
  while (!left.empty()) check_answer(left, heads);
  return 0;
}
