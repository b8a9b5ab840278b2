// How fast the embedded store takes rows, and how it answers.
//
//   bench_embedded_store load DATABASE THREADS COPIES FILE.jsonl...
//       rows of the files, with new ids each copy
//   bench_embedded_store read DATABASE ROWS
//       random products, one at a time
//
// Prints rows a second, CPU time a row (of the whole process, RocksDB's threads with it) and the
// most memory the process ever had.
#include <rocksdb/db.h>
#include <simdjson.h>
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "dataflow/rocksdb/database.h"
#include "dataflow/rocksdb/product_service.h"

namespace dataflow::rocksdb {
namespace {

constexpr std::size_t kRowsPerBlock = 512;

template <class T>
T run(Task<T> task) {
  boost::asio::io_context io(1);
  auto result = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
  io.run();
  return result.get();
}

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().describe().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Stopwatch {
 public:
  void report(const char* what, std::size_t rows) const {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    rusage now{};
    getrusage(RUSAGE_SELF, &now);
    const auto cpu_of = [](const rusage& usage) {
      const auto us = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
      };
      return us(usage.ru_utime) + us(usage.ru_stime);
    };
    std::printf("%-16s %9zu rows  %7.3f s  %9.0f rows/s  %6.2f us CPU/row  %4ld MiB peak\n", what,
                rows, seconds, static_cast<double>(rows) / seconds,
                (cpu_of(now) - cpu_of(usage_)) / static_cast<double>(rows), now.ru_maxrss / 1024);
    std::fflush(stdout);
  }

 private:
  static rusage now() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage;
  }
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  rusage usage_ = now();
};

std::vector<Product> read_files(int count, char** names) {
  std::vector<Product> products;
  simdjson::ondemand::parser parser;
  for (int i = 0; i < count; ++i) {
    std::ifstream file(names[i]);
    for (std::string line; std::getline(file, line);) {
      const simdjson::padded_string padded(line);
      auto document = parser.iterate(padded);
      const auto text = [&](const char* key) {
        return std::string(std::string_view(document[key].get_string()));
      };
      Product product;
      product.id = document["id"].get_int64();
      product.title = text("title");
      product.price = document["price"].get_double();
      product.category = text("category");
      product.brand = text("brand");
      product.url = text("url");
      product.description = text("description");
      products.push_back(std::move(product));
    }
  }
  return products;
}

void load(const std::string& path, std::size_t threads, std::size_t copies,
          const std::vector<Product>& products) {
  Options options;
  options.path = path;
  auto database = must(Database::open(options));
  ProductService service(database);
  Stopwatch().report("(rows read)", products.size());
  const std::size_t blocks = (products.size() + kRowsPerBlock - 1) / kRowsPerBlock;
  std::atomic<std::size_t> next{0};
  const Stopwatch watch;
  const auto work = [&] {
    std::vector<ProductView> views;
    const auto stored = std::make_unique<bool[]>(kRowsPerBlock);
    for (std::size_t block = next++; block < blocks * copies; block = next++) {
      const std::size_t first = block % blocks * kRowsPerBlock;
      const auto shift = static_cast<ProductId>(block / blocks * products.size());
      views.clear();
      for (std::size_t i = first; i < std::min(first + kRowsPerBlock, products.size()); ++i) {
        views.push_back(view_of(products[i]));
        views.back().id += shift;
      }
      must(run(service.save_many(views, 1, std::span(stored.get(), views.size()))));
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    work();
  }
  watch.report("saved", products.size() * copies);
  must(run(service.flush()));
  watch.report("flushed", products.size() * copies);
  if (std::getenv("STATS") != nullptr) {
    std::string text;
    database->db().GetProperty(database->family(Family::kProducts), "rocksdb.stats", &text);
    std::puts(text.c_str());
  }
}

void read(const std::string& path, std::size_t rows) {
  Options options;
  options.path = path;
  auto database = must(Database::open(options));
  ProductService service(database);
  constexpr std::size_t kReads = 300'000;
  std::mt19937_64 random(1);
  const Stopwatch watch;
  for (std::size_t i = 0; i < kReads; ++i) {
    must(run(service.find(static_cast<ProductId>(1 + random() % rows))));
  }
  watch.report("found", kReads);
}

}  // namespace
}  // namespace dataflow::rocksdb

int main(int argc, char** argv) {
  using namespace dataflow::rocksdb;
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "load" && argc > 5) {
    load(argv[2], std::stoul(argv[3]), std::stoul(argv[4]), read_files(argc - 5, argv + 5));
  } else if (mode == "read" && argc == 4) {
    read(argv[2], std::stoul(argv[3]));
  } else {
    std::fprintf(stderr, "usage: see the beginning of embedded_store.cc\n");
    return 2;
  }
}
