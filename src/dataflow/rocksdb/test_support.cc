#include "dataflow/rocksdb/test_support.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace dataflow::rocksdb::testing {

Product product_of(ProductId id, int version) {
  const std::string name = std::to_string(id) + " v" + std::to_string(version);
  Product product{id, "product " + name, {}, {}, {}, {}, {}};
  const auto which = static_cast<unsigned>(id + version);
  if (which % 2 != 0) product.price = static_cast<double>(id) * 1.01 + version;
  if (which % 3 != 0) product.category = "category of " + name;
  if (which % 5 != 0) product.brand = which % 7 != 0 ? "brand of " + name : "";
  if (which % 4 != 0) product.url = "https://shop.example/p/" + std::to_string(id);
  product.description = std::string(which * 37 % 400, static_cast<char>('a' + which % 26));
  return product;
}

std::optional<int> version_of(const Product& product) {
  const std::size_t place = product.title.rfind('v');
  if (place == std::string::npos) return std::nullopt;
  int version = 0;
  const char* end = product.title.data() + product.title.size();
  if (std::from_chars(product.title.data() + place + 1, end, version).ptr != end) {
    return std::nullopt;
  }
  if (product != product_of(product.id, version)) return std::nullopt;
  return version;
}

bool eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Peer::Peer(std::vector<std::string> arguments) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  std::string program = DATAFLOW_ROCKSDB_TEST_PEER;
  std::vector<char*> argv = {program.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // Not fork alone: the child would have RocksDB's queues of background work without their threads.
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  if (failed != 0) throw std::runtime_error("cannot start " + program);
}

Peer::~Peer() {
  kill();
  ::close(to_);
  ::close(from_);
}

void Peer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Peer::send(const std::string& command) {
  const std::string line = command + "\n";
  if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the peer does not listen");
  }
}

std::string Peer::receive() {
  while (true) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    char bytes[4096];
    const ssize_t count = ::read(from_, bytes, sizeof bytes);
    if (count <= 0) return {};
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
}

std::string Peer::ask(const std::string& command) {
  send(command);
  return receive();
}

}  // namespace dataflow::rocksdb::testing
