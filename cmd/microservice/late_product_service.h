// LateProductService: a store that is connected to in the background, for as long as it takes, and
// connected to anew where it does not come back by itself.
//
// Until it is there, every method tells kUnavailable and why; from then on each goes to the store
// itself. Its client reconnects by itself as well, but the longer a node was away the later: up to
// 10 s after it is back, and a service has to be back within 5 s. So watch() looks every
// Pauses::watch whether anybody has had an answer; where nobody has, it asks the store itself, and
// where that is no answer either, it opens the store anew. What was begun before goes on with the
// store it began with, which is closed after the last of them.
//
// connect() is run once, watch() after it; stop() ends both between two attempts. Thread safety: as
// ProductService; connect(), watch(), stop() and attempting() on one executor of one thread.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "dataflow/product_service.h"

namespace dataflow::cmd {

class LateProductService : public ProductService {
 public:
  using Open = std::function<Task<Result<std::unique_ptr<ProductService>>>()>;
  // Told of each attempt's failure that is another than the last one's.
  using Report = std::function<void(const Error&)>;

  struct Pauses {
    std::chrono::milliseconds first{100};      // after the first failure; doubles each time
    std::chrono::milliseconds longest{2'000};  // back well within 5 s of the store
    std::chrono::milliseconds watch{1'000};
  };

  LateProductService(Open open, Report report, Pauses pauses);
  LateProductService(Open open, Report report)
      : LateProductService(std::move(open), std::move(report), Pauses()) {}

  // Attempts until the store is there or stop() was called.
  Task<void> connect();
  // From then on, until stop(). Calls `reopened` each time another store has taken the place of one
  // that did not answer.
  Task<void> watch(std::function<void()> reopened);
  void stop();
  // An attempt is under way: it cannot be taken back, and this must not be destroyed.
  bool attempting() const { return attempting_; }
  bool connected() const { return store_.load() != nullptr; }

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override;
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override;
  Task<Result<std::string>> incarnation() override;
  Task<Result<std::string>> trust_cache(std::string_view cache) override;
  Task<Result<std::string>> disown_caches() override;
  Task<Result<std::uint64_t>> writer_number() override;
  Task<Result<void>> flush() override;

 private:
  using Store = std::shared_ptr<ProductService>;

  // One attempt; true when the store is there.
  Task<bool> try_connect();
  Task<bool> store_answers();
  Task<void> wait(std::chrono::milliseconds pause);
  std::unexpected<Error> not_yet() const;
  static Task<Result<Product>> find_in(LateProductService& self, Store store, ProductId id);

  const Open open_;
  const Report report_;
  const Pauses pauses_;
  std::atomic<Store> store_;
  std::atomic<bool> answered_ = false;  // since watch() looked
  bool stopped_ = false;
  bool attempting_ = false;
  boost::asio::steady_timer* pause_ = nullptr;  // while connect() or watch() waits
  mutable std::mutex mutex_;                    // for reason_
  std::string reason_ = "it has not been tried";
};

}  // namespace dataflow::cmd
