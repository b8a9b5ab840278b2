// How fast rows go to Redis and back:
//
//   bench_redis_cache HOST:PORT [ROWS A CALL] [CALLS AT ONCE]
//
// Prints for three rounds of what the job does with a block: millions of rows a second, and the CPU
// time of this process and of the server a row, which say more on a machine that is busy. Wants a
// server of its own: it empties the database between rounds, and refuses one that is not empty.
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>

#include "dataflow/redis/cache.h"
#include "dataflow/redis/encoding.h"
#include "dataflow/redis/link.h"

namespace dataflow::redis {
namespace {

constexpr std::size_t kRows = 1'000'000;
constexpr int kRounds = 3;
constexpr WriteTime kNow = 1'790'000'000'000'000;

enum class What { kFindAbsent, kRememberNew, kFind, kForget, kRememberChanged };

struct Load {
  Cache& cache;
  std::size_t rows_a_call;
  std::size_t next = 0;
};

void stop_on(const Error& error) {
  std::fprintf(stderr, "%s\n", error.describe().c_str());
  std::exit(1);
}

Task<void> work(Load& load, What what) {
  std::vector<ProductId> ids(load.rows_a_call);
  std::vector<CacheEntry> entries(load.rows_a_call);
  while (load.next < kRows) {
    std::iota(ids.begin(), ids.end(), static_cast<ProductId>(load.next));
    load.next += load.rows_a_call;
    const WriteTime time = what == What::kRememberChanged ? kNow + 1 : kNow;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto content = static_cast<std::uint64_t>(ids[i]);
      entries[i] = {CacheEntry::State::kStored, false, {content, ~content}, time, 77};
    }
    if (what == What::kFind || what == What::kFindAbsent) {
      auto found = co_await load.cache.find(ids, entries);
      if (!found) stop_on(found.error());
    } else if (what == What::kForget) {
      auto newest = co_await load.cache.forget(ids, 77, kNow + 1);
      if (!newest) stop_on(newest.error());
    } else {
      auto refused = co_await load.cache.remember(ids, entries, kNoObject);
      if (!refused) stop_on(refused.error());
    }
  }
}

// CPU seconds used so far.
double own_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The first value of an answer.
Task<void> ask(Link& link, std::vector<std::string> words, std::string& answer) {
  Commands commands;
  commands.command(words.front());
  for (std::size_t i = 1; i < words.size(); ++i) commands.add(words[i]);
  auto reply = co_await link.call(commands);
  if (!reply) stop_on(reply.error());
  answer = clients::Values(*reply).next().bytes;
}

Task<void> ask_cpu(Link& link, double& seconds) {
  std::string info;
  std::vector<std::string> words{"INFO", "cpu"};
  co_await ask(link, std::move(words), info);
  seconds = std::strtod(info_field(info, "used_cpu_user").data(), nullptr) +
            std::strtod(info_field(info, "used_cpu_sys").data(), nullptr);
}

Task<void> connect(Link& link) {
  auto connected = co_await link.connect();
  if (!connected) stop_on(connected.error());
}

void run(Task<void> task) {
  boost::asio::io_context io;
  boost::asio::co_spawn(io, std::move(task), boost::asio::detached);
  io.run();
}

void measure(Cache& cache, Link& link, What what, std::size_t rows_a_call, int calls) {
  double server_before = 0;
  run(ask_cpu(link, server_before));
  const double own_before = own_cpu();
  Load load{cache, rows_a_call};
  boost::asio::io_context io;
  for (int i = 0; i < calls; ++i) {
    boost::asio::co_spawn(io, work(load, what), boost::asio::detached);
  }
  const auto start = std::chrono::steady_clock::now();
  io.run();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double own = own_cpu() - own_before;
  double server = 0;
  run(ask_cpu(link, server));
  constexpr double kMillions = static_cast<double>(kRows) / 1e6;
  std::printf("%5.2f (%4.2f %4.2f)  ", kMillions / seconds.count(), own / kMillions,
              (server - server_before) / kMillions);
  std::fflush(stdout);
}

Task<void> open(Cache& cache, std::string incarnation) {
  auto opened = co_await cache.open(incarnation);
  if (!opened) stop_on(opened.error());
}

int bench(const char* addr, std::size_t rows_a_call, int calls) {
  const Options options{.addr = addr, .user = {}, .pass = {}};
  Cache cache(options);
  Link link(options);
  run(connect(link));
  std::string size;
  run(ask(link, {"DBSIZE"}, size));
  if (size != "0") {
    std::fprintf(stderr, "%s is not empty: give me a server of my own\n", addr);
    return 1;
  }
  std::printf("%zu rows a call, %d calls at once: million rows/s (us/row of ours, of Redis)\n",
              rows_a_call, calls);
  std::printf("%-20s%-20s%-20s%-20s%-20s\n", "find absent", "remember new", "find", "forget",
              "remember changed");
  for (int round = 0; round < kRounds; ++round) {
    run(open(cache, "bench\n" + std::to_string(std::random_device{}())));
    for (const What what : {What::kFindAbsent, What::kRememberNew, What::kFind, What::kForget,
                            What::kRememberChanged}) {
      measure(cache, link, what, rows_a_call, calls);
    }
    std::printf("\n");
    run(ask(link, {"FLUSHDB"}, size));
  }
  return 0;
}

}  // namespace
}  // namespace dataflow::redis

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s host:port [rows a call] [calls at once]\n", words[0]);
    return 2;
  }
  const std::size_t rows = count > 2 ? std::strtoul(words[2], nullptr, 10) : 1'000;
  const int calls = count > 3 ? std::atoi(words[3]) : 4;
  return dataflow::redis::bench(words[1], rows, calls);
}
