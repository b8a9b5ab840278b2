// The other process of the tests: opens a database and does what it is told, a command a line on
// standard input, an answer a line on standard output ("ok ..." or "error CODE message").
//
//   dataflow_rocksdb_test_peer [--nobody] [--file-limit BYTES] [--write-buffer BYTES]
//     open PATH             as the job does
//     follow PATH           as the service does
//     save FIRST COUNT V    products FIRST to FIRST + COUNT - 1 in version V
//     stream FIRST COUNT BATCH V   the same in batches, "ok N" after each for the N products saved
//     so far, "ok end" remember FIRST COUNT  cache entries of these products table writes what is
//     in memory into tables find ID               "ok V", the version found close
#include <grp.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "dataflow/mock/wait.h"
#include "dataflow/rocksdb/cache.h"
#include "dataflow/rocksdb/occurrences.h"
#include "dataflow/rocksdb/product_service.h"
#include "dataflow/rocksdb/secondary_product_service.h"
#include "dataflow/rocksdb/test_support.h"

namespace dataflow::rocksdb::testing {
namespace {

class Conversation {
 public:
  explicit Conversation(Options options) : options_(std::move(options)) {}

  void run() {
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      std::string command;
      words >> command;
      const auto done = obey(command, words);
      if (!done) {
        answer("error " + std::string(to_string(done.error().code)) + " " +
               done.error().describe());
      } else if (!done->empty()) {
        answer("ok " + *done);
      }
    }
  }

 private:
  static void answer(const std::string& line) { std::cout << line << std::endl; }

  Result<std::string> obey(const std::string& command, std::istream& words) {
    if (command == "open" || command == "follow") return open(command, words);
    if (command == "close") {
      cache_.reset();
      service_.reset();
      database_.reset();
      return "closed";
    }
    if (command == "occurrences") return fill_occurrences(words);
    if (!service_) return fail(ErrorCode::kInternal, "nothing is open");
    ProductId first = 0;
    std::size_t count = 0;
    words >> first;
    if (command == "find") {
      const auto product = mock::wait(service_->find(first));
      if (!product) return std::unexpected(product.error());
      return std::to_string(version_of(*product).value_or(-1));
    }
    if (command == "table") return table({Family::kMeta, Family::kProducts, Family::kRows});
    if (command == "products_table") return table({Family::kProducts});
    words >> count;
    if (command == "remember") return remember(first, count);
    std::size_t batch = count;
    int version = 0;
    if (command == "stream") words >> batch;
    words >> version;
    return save(first, count, batch, version, command == "stream");
  }

  Result<std::string> open(const std::string& command, std::istream& words) {
    std::string path;
    words >> path;
    if (command == "follow") {
      SecondaryOptions options;
      options.path = path;
      service_ = std::make_unique<SecondaryProductService>(options);
      return "follows";
    }
    options_.path = path;
    auto opened = Database::open(options_);
    if (!opened) return std::unexpected(opened.error());
    database_ = *opened;
    service_ = std::make_unique<ProductService>(database_);
    return "open";
  }

  Result<std::string> save(ProductId first, std::size_t count, std::size_t batch, int version,
                           bool each) {
    const auto stored = std::make_unique<bool[]>(batch);
    for (std::size_t done = 0; done < count; done += batch) {
      std::vector<Product> products;
      for (std::size_t i = done; i < std::min(count, done + batch); ++i) {
        products.push_back(product_of(first + static_cast<ProductId>(i), version));
      }
      const std::vector<ProductView> views = [&products] {
        std::vector<ProductView> all;
        for (const Product& product : products) all.push_back(view_of(product));
        return all;
      }();
      auto saved =
          mock::wait(service_->save_many(views, version, std::span(stored.get(), products.size())));
      if (!saved) return std::unexpected(saved.error());
      if (each) answer("ok " + std::to_string(done + products.size()));
    }
    return each ? "end" : "saved";
  }

  Result<std::string> remember(ProductId first, std::size_t count) {
    if (!cache_) {
      cache_ = std::make_unique<Cache>(database_);
      auto opened = mock::wait(cache_->open("peer"));
      if (!opened) return std::unexpected(opened.error());
    }
    std::vector<ProductId> ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back(first + static_cast<ProductId>(i));
    const std::vector<CacheEntry> entries(
        count, CacheEntry{CacheEntry::State::kStored, false, {1, 2}, 3, 4});
    const auto remembered = mock::wait(cache_->remember(ids, entries, kNoObject));
    if (!remembered) return std::unexpected(remembered.error());
    return "remembered";
  }

  static Result<std::string> fill_occurrences(std::istream& words) {
    std::string directory;
    ProductId count = 0;
    words >> directory >> count;
    auto occurrences = Occurrences::create(directory);
    if (!occurrences) return std::unexpected(occurrences.error());
    const std::vector<Occurrences::Seen> seen(1'000, Occurrences::Seen{1, true});
    for (ProductId first = 0; first < count; first += 1'000) {
      std::vector<ProductId> ids(seen.size());
      std::iota(ids.begin(), ids.end(), first);
      auto put = (*occurrences)->put(ids, seen);
      if (!put) return std::unexpected(put.error());
    }
    return "filled";
  }

  Result<std::string> table(std::initializer_list<Family> families) {
    for (const Family family : families) {
      const auto status = database_->db().Flush({}, database_->family(family));
      if (!status.ok()) return fail(ErrorCode::kInternal, status.ToString());
    }
    return "written";
  }

  Options options_;
  std::shared_ptr<Database> database_;
  std::unique_ptr<dataflow::ProductService> service_;
  std::unique_ptr<Cache> cache_;
};

void become_nobody() {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() != 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) {
    std::abort();
  }
}

void limit_files(const std::string& bytes) {
  // With the signal ignored a write beyond the limit fails as it does on a full disk.
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{std::stoul(bytes), std::stoul(bytes)};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) std::abort();
}

}  // namespace
}  // namespace dataflow::rocksdb::testing

int main(int argc, char** argv) {
  using namespace dataflow::rocksdb;
  using namespace dataflow::rocksdb::testing;
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--nobody") become_nobody();
    if (argument == "--file-limit") limit_files(argv[++i]);
    if (argument == "--write-buffer") options.write_buffer_bytes = std::stoul(argv[++i]);
  }
  Conversation(options).run();
}
