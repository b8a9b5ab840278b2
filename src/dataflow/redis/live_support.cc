#include "dataflow/redis/live_support.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "dataflow/redis/encoding.h"

extern char** environ;

namespace dataflow::redis {
namespace {

constexpr std::chrono::milliseconds kPoll{10};
constexpr timeval kSocketTimeout{.tv_sec = 20, .tv_usec = 0};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A cluster's server wants its port + 10,000 as well.
constexpr std::uint16_t kMaxPort = 55'000;
// A port that was free a moment ago may be taken.
constexpr int kStarts = 5;

// A port that was free a moment ago.
std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(probe, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port on 127.0.0.1");
  }
  ::close(probe);
  const std::uint16_t port = ntohs(address.sin_port);
  return port > kMaxPort ? free_port() : port;
}

bool answers(const std::string& addr) {
  try {
    RawRedis redis(addr);
    const std::string answer = redis({"PING"});
    return answer == "PONG" || answer.starts_with("-NOAUTH");
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

bool eventually(const std::function<bool()>& is_so, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

RawRedis::RawRedis(const std::string& addr, int db) {
  const auto colon = addr.rfind(':');
  sockaddr_in address = loopback(static_cast<std::uint16_t>(std::stoi(addr.substr(colon + 1))));
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kSocketTimeout, sizeof kSocketTimeout);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket_);
    throw std::runtime_error("cannot connect to " + addr);
  }
  if (db != 0) all({"SELECT", std::to_string(db)});
}

RawRedis::~RawRedis() { ::close(socket_); }

std::string RawRedis::bytes(std::size_t size) {
  while (buffer_.size() < size) {
    char more[65536];
    const auto got = ::recv(socket_, more, sizeof more, 0);
    if (got <= 0) throw std::runtime_error("Redis does not answer");
    buffer_.append(more, static_cast<std::size_t>(got));
  }
  std::string taken = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return taken;
}

std::string RawRedis::line() {
  std::string text;
  while (!text.ends_with("\r\n")) text += bytes(1);
  text.resize(text.size() - 2);
  return text;
}

void RawRedis::value(std::vector<std::string>& into) {
  const std::string head = line();
  const std::string rest = head.substr(1);
  if (head[0] == '*') {
    for (int left = std::stoi(rest); left > 0; --left) value(into);
  } else if (head[0] == '$' && rest != "-1") {
    into.push_back(bytes(std::stoul(rest)));
    bytes(2);
  } else if (head[0] == '$') {
    into.push_back("(nil)");
  } else {
    into.push_back(head[0] == '-' ? head : rest);
  }
}

std::vector<std::string> RawRedis::all(const std::vector<std::string_view>& arguments) {
  std::string request = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string_view argument : arguments) {
    request += "$" + std::to_string(argument.size()) + "\r\n";
    request.append(argument).append("\r\n");
  }
  for (std::size_t sent = 0; sent < request.size();) {
    const auto more = ::send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (more <= 0) throw std::runtime_error("Redis does not listen");
    sent += static_cast<std::size_t>(more);
  }
  std::vector<std::string> values;
  value(values);
  return values;
}

std::string RawRedis::operator()(const std::vector<std::string_view>& arguments) {
  const auto values = all(arguments);
  return values.empty() ? std::string{} : values.front();
}

std::vector<std::string> RawRedis::keys(std::string_view pattern) { return all({"KEYS", pattern}); }

OwnRedis::OwnRedis(std::vector<std::string> settings) : settings_(std::move(settings)) {
  // As the programs do (survive_failed_writes() in cmd/common/process.h): a server that was killed
  // is an error of the next write, not the end of the test.
  ::signal(SIGPIPE, SIG_IGN);
  for (int attempt = 0; attempt < kStarts; ++attempt) {
    port_ = std::to_string(free_port());
    addr_ = "127.0.0.1:" + port_;
    if (try_start()) return;
  }
  throw std::runtime_error("redis-server does not start: is it installed?");
}

OwnRedis::~OwnRedis() { kill(); }

Options OwnRedis::options() const {
  // Without a pause, so that tests see each attempt.
  return {.addr = addr_, .user = {}, .pass = {}, .reconnect_pause_ms = 0};
}

void OwnRedis::start() {
  if (!try_start()) throw std::runtime_error("redis-server does not start");
}

bool OwnRedis::try_start() {
  std::vector<std::string> words{"redis-server", "--port",    port_, "--bind", "127.0.0.1", "--dir",
                                 folder_.path(), "--logfile", "log", "--save", ""};
  words.insert(words.end(), settings_.begin(), settings_.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  if (::posix_spawnp(&pid_, "redis-server", nullptr, nullptr, arguments.data(), environ) != 0) {
    pid_ = -1;
    return false;
  }
  const auto ended = [this] { return ::waitpid(pid_, nullptr, WNOHANG) != 0; };
  bool gone = false;
  const bool started = eventually([&] {
    gone = ended();
    return gone || answers(addr_);
  });
  if (gone) pid_ = -1;
  return started && !gone;
}

void OwnRedis::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void OwnRedis::pause() {
  ::kill(pid_, SIGSTOP);
  ::waitpid(pid_, nullptr, WUNTRACED);
}

void OwnRedis::resume() { ::kill(pid_, SIGCONT); }

std::optional<std::string> shared_redis() {
  const char* addr = std::getenv("DATAFLOW_REDIS_ADDR");
  if (addr == nullptr || *addr == '\0') {
    ADD_FAILURE() << "DATAFLOW_REDIS_ADDR is not set: scripts/servers.sh start redis prints it";
    return std::nullopt;
  }
  return addr;
}

std::string unique_incarnation(std::string_view changing) {
  static std::atomic<int> count = 0;
  std::string name = "live test " + std::to_string(::getpid()) + "-" + random_name() + "-" +
                     std::to_string(++count);
  return name.append("\n").append(changing);
}

void remove_all(RawRedis& redis, std::string_view incarnation) {
  const std::string registry = registry_key(incarnation);
  for (const std::string& member : redis.all({"HKEYS", registry})) {
    const auto space = member.find(' ');
    redis({"DEL", member.substr(0, space)});
    const std::vector<std::string> keys = redis.keys(row_prefix(member.substr(space + 1)) + "*");
    std::vector<std::string_view> unlink{"UNLINK"};
    unlink.insert(unlink.end(), keys.begin(), keys.end());
    if (!keys.empty()) redis(unlink);
  }
  redis({"DEL", registry});
}

}  // namespace dataflow::redis
