// A client for tests that sends exactly the bytes it is given and waits for events, not for time.
//
// Every wait ends at the latest after kPatience, as a failure of the test. One thread.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace dataflow::http {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
};

class TestClient {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  explicit TestClient(std::uint16_t port, int receive_buffer = 0) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const int yes = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  TestClient(TestClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        input_(std::move(other.input_)) {}
  ~TestClient() { close(); }

  bool connected() const { return connected_; }

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  // Whether everything was taken.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void shutdown_send() { ::shutdown(socket_, SHUT_WR); }

  // The next answer; nothing where the connection ended before it. `to_head`: no body follows.
  std::optional<Answer> read_answer(bool to_head = false) {
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return std::nullopt;
    }
    Answer answer = parse_head(std::string_view(input_).substr(0, end + 2));
    input_.erase(0, end + 4);
    const auto length = answer.fields.find("content-length");
    const std::size_t wanted =
        to_head || length == answer.fields.end() ? 0 : std::stoul(length->second);
    while (input_.size() < wanted) {
      if (!receive()) return std::nullopt;
    }
    answer.body = input_.substr(0, wanted);
    input_.erase(0, wanted);
    return answer;
  }

  // Whether the server closes the connection, with nothing more to read.
  bool closed() { return input_.empty() && !receive() && !impatient_; }

  // Whether something, or the end, can be read at once.
  bool readable_now() {
    pollfd ready{socket_, POLLIN, 0};
    return ::poll(&ready, 1, 0) > 0;
  }

  // Sends a byte every `pause` until the server says something or refuses it; false when it does
  // neither.
  bool drip(std::chrono::milliseconds pause) {
    return drip_until(pause, [this] { return readable_now(); });
  }

  // The same by a client that does not look at what it is told.
  bool drip_until_refused(std::chrono::milliseconds pause) {
    return drip_until(pause, [] { return false; });
  }

  // One more read; false at the end.
  bool receive() {
    pollfd ready{socket_, POLLIN, 0};
    const auto patience = std::chrono::milliseconds(kPatience).count();
    if (::poll(&ready, 1, static_cast<int>(patience)) <= 0) {
      ADD_FAILURE() << "the server neither answers nor closes";
      impatient_ = true;
      return false;
    }
    char buffer[65'536];
    const ssize_t received = ::recv(socket_, buffer, sizeof buffer, 0);
    if (received <= 0) return false;
    input_.append(buffer, static_cast<std::size_t>(received));
    return true;
  }

  const std::string& input() const { return input_; }

 private:
  template <class Condition>
  bool drip_until(std::chrono::milliseconds pause, const Condition& done) {
    const auto patience = std::chrono::steady_clock::now() + kPatience;
    while (!done() && send("x")) {
      if (std::chrono::steady_clock::now() > patience) return false;
      std::this_thread::sleep_for(pause);
    }
    return true;
  }

  static Answer parse_head(std::string_view head) {
    Answer answer;
    EXPECT_TRUE(head.starts_with("HTTP/1.1 ")) << head;
    answer.status = std::atoi(std::string(head.substr(9, 3)).c_str());
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(line.size() + 2);
      const std::size_t colon = line.find(": ");
      EXPECT_NE(colon, std::string_view::npos) << line;
      std::string name(line.substr(0, colon));
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      EXPECT_TRUE(answer.fields.emplace(name, line.substr(colon + 2)).second) << "twice: " << line;
    }
    return answer;
  }

  int socket_ = -1;
  bool connected_ = false;
  bool impatient_ = false;
  std::string input_;
};

}  // namespace dataflow::http
