// The limit of a load: rows that are in memory already, written by a bare loop over the client.
//
//   bench_bare_loop [-in-flight N] [-rows-a-batch N] FILE.jsonl...
//
// No source, no cache, no comparison, no retries, a fixed number in flight; the batches are cut as
// the job cuts them, so that the server has the same work. The cluster is that of
// DATAFLOW_CASSANDRA_HOST, _PORT and _KEYSPACE. Prints one line of JSON; the time is that of the
// loop alone, without connecting and reading.
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/cassandra/batches.h"
#include "dataflow/cassandra/cluster.h"
#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/rows.h"
#include "dataflow/cassandra/schema.h"
#include "dataflow/pipeline/parser.h"

namespace {

using namespace dataflow;
using cassandra::Batches;
using cassandra::BatchLimits;
using cassandra::Connection;

constexpr std::size_t kMaxLineBytes = std::size_t{16} << 20;
constexpr std::size_t kDefaultInFlight = 64;

struct Arguments {
  std::size_t in_flight = kDefaultInFlight;
  std::size_t rows_a_batch = 0;  // 0: as many as the server's thresholds allow
  std::vector<std::string> files;
};

// The rows, and what their strings may point into.
struct Catalogue {
  std::vector<pipeline::Block> blocks;
  std::vector<pipeline::Rows> parsed;
  std::vector<ProductView> products;
};

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "bench_bare_loop: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) stop(result.error().describe());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <class T>
T run(boost::asio::thread_pool& pool, Task<T> task) {
  return boost::asio::co_spawn(pool, std::move(task), boost::asio::use_future).get();
}

void read_file(const std::string& name, Catalogue& catalogue) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  if (!file) stop("cannot read " + name);
  pipeline::Block block;
  block.size = static_cast<std::size_t>(file.tellg());
  block.memory = std::make_unique<char[]>(block.size + pipeline::kBlockPadding);
  file.seekg(0).read(block.memory.get(), static_cast<std::streamsize>(block.size));
  if (!file) stop("cannot read " + name);
  pipeline::Parser parser(kMaxLineBytes);
  catalogue.parsed.push_back(parser.parse(block));
  catalogue.blocks.push_back(std::move(block));
  if (!catalogue.parsed.back().rejected.empty()) stop(name + " holds lines that are no product");
  for (const auto& row : catalogue.parsed.back().rows) catalogue.products.push_back(row.product);
}

cassandra::Options options_of_environment() {
  cassandra::Options options;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) stop(std::string(name) + " is not set");
    return std::string(value);
  };
  options.hosts.clear();
  std::istringstream hosts(variable("DATAFLOW_CASSANDRA_HOST"));
  for (std::string host; std::getline(hosts, host, ',');) options.hosts.push_back(host);
  options.port = static_cast<std::uint16_t>(std::stoi(variable("DATAFLOW_CASSANDRA_PORT")));
  options.keyspace = variable("DATAFLOW_CASSANDRA_KEYSPACE");
  return options;
}

Task<Result<BatchLimits>> connect(Connection& connection, std::string keyspace) {
  auto done = co_await connection.connect();
  if (done) {
    done = co_await connection.prepare(cassandra::insert_product(keyspace),
                                       cassandra::select_product(keyspace),
                                       cassandra::select_products(keyspace));
  }
  if (!done) co_return std::unexpected(std::move(done.error()));
  co_return co_await cassandra::read_batch_limits(connection);
}

struct Load {
  Connection& connection;
  std::span<const ProductView> products;
  const Batches& batches;
  WriteTime time;
  std::atomic<std::size_t> next{0};
};

// One of those in flight.
Task<void> write_batches(Load& load) {
  for (std::size_t i = load.next++; i < load.batches.size(); i = load.next++) {
    cassandra::EncodedRows rows;
    for (const std::uint32_t row : load.batches[i]) rows.append(load.products[row]);
    auto saved =
        co_await load.connection.save(rows.bytes, rows.lengths, cassandra::kColumns, load.time);
    if (!saved) stop(saved.error().describe());
  }
}

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

WriteTime now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

void load(const Arguments& arguments, const Catalogue& catalogue) {
  boost::asio::thread_pool pool(1);
  const cassandra::Options options = options_of_environment();
  const auto connection = must(cassandra::new_connection(options));
  BatchLimits limits = must(run(pool, connect(*connection, options.keyspace)));
  if (arguments.rows_a_batch > 0) limits.rows = arguments.rows_a_batch;

  std::vector<ProductId> ids;
  for (const ProductView& product : catalogue.products) ids.push_back(product.id);
  std::vector<std::uint32_t> groups(ids.size());
  connection->replica_groups(ids, groups);
  const Batches batches = cassandra::cut_batches(catalogue.products, groups, limits);

  Load load{*connection, catalogue.products, batches, now_us()};
  const double cpu_before = cpu_s();
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::future<void>> running;
  for (std::size_t i = 0; i < arguments.in_flight; ++i) {
    running.push_back(boost::asio::co_spawn(pool, write_batches(load), boost::asio::use_future));
  }
  for (auto& one : running) one.get();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  std::printf("{\"rows\": %zu, \"batches\": %zu, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n", ids.size(),
              batches.size(), wall.count(), cpu_s() - cpu_before);
}

Arguments arguments_of(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "-in-flight" && i + 1 < argc) {
      arguments.in_flight = std::stoul(argv[++i]);
    } else if (word == "-rows-a-batch" && i + 1 < argc) {
      arguments.rows_a_batch = std::stoul(argv[++i]);
    } else {
      arguments.files.emplace_back(word);
    }
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = arguments_of(argc, argv);
  if (arguments.files.empty() || arguments.in_flight == 0) {
    std::fprintf(stderr, "usage: bench_bare_loop [-in-flight N] [-rows-a-batch N] FILE.jsonl...\n");
    return 2;
  }
  Catalogue catalogue;
  for (const std::string& name : arguments.files) read_file(name, catalogue);
  load(arguments, catalogue);
}
