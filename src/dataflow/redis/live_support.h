// What the live tests need beside the cache: a Redis client that is not ours, Redis servers of
// their own for what would harm a shared one, and a way to run tasks.
#pragma once

#include <sys/types.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/mock/temp_dir.h"
#include "dataflow/redis/cache.h"

namespace dataflow::redis {

// Runs one task to its end on this thread.
template <class T>
T run(Task<T> task) {
  boost::asio::io_context io;
  auto future = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
  io.run();
  return future.get();
}

// Asks until it is so; false after `limit`.
bool eventually(const std::function<bool()>& is_so,
                std::chrono::milliseconds limit = std::chrono::seconds(20));

// A blocking connection that speaks RESP. Throws std::runtime_error where the server does not
// answer.
class RawRedis {
 public:
  explicit RawRedis(const std::string& addr, int db = 0);
  ~RawRedis();
  RawRedis(const RawRedis&) = delete;
  RawRedis& operator=(const RawRedis&) = delete;

  // The values of the answer, flattened: nil as "(nil)", an error as "-...".
  std::vector<std::string> all(const std::vector<std::string_view>& arguments);
  // The first of them; "" for an empty array.
  std::string operator()(const std::vector<std::string_view>& arguments);
  std::vector<std::string> keys(std::string_view pattern);

 private:
  std::string line();
  std::string bytes(std::size_t size);
  void value(std::vector<std::string>& into);

  int socket_ = -1;
  std::string buffer_;
};

// A redis-server of the test's own, on a port and in a folder of its own, without persistence
// unless asked for.
class OwnRedis {
 public:
  explicit OwnRedis(std::vector<std::string> settings = {});
  ~OwnRedis();
  OwnRedis(const OwnRedis&) = delete;
  OwnRedis& operator=(const OwnRedis&) = delete;

  const std::string& addr() const { return addr_; }
  Options options() const;
  void start();  // again, after stop() or kill()
  void kill();   // SIGKILL: nothing is saved
  void pause();  // SIGSTOP
  void resume();

 private:
  bool try_start();

  std::vector<std::string> settings_;
  const mock::TempDir folder_;
  std::string addr_;
  std::string port_;
  pid_t pid_ = -1;
};

// The shared server of DATAFLOW_REDIS_ADDR. Fails the test, and is nullopt, where there is none.
std::optional<std::string> shared_redis();

// An incarnation that nobody else uses.
std::string unique_incarnation(std::string_view changing = "1");
// Deletes every key of an incarnation's table.
void remove_all(RawRedis& redis, std::string_view incarnation);

}  // namespace dataflow::redis
