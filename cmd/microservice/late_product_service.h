// LateProductService: a store that is connected to in the background, for as long as it takes.
//
// Until it is there, every method tells kUnavailable and why; from then on each goes to the store
// itself, which reconnects by itself. connect() is run once; stop() ends it between two attempts.
// Thread safety: as ProductService; connect(), stop() and attempting() on one executor of one
// thread.
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
  };

  LateProductService(Open open, Report report, Pauses pauses);
  LateProductService(Open open, Report report)
      : LateProductService(std::move(open), std::move(report), Pauses()) {}

  // Attempts until the store is there or stop() was called.
  Task<void> connect();
  void stop();
  // An attempt is under way: it cannot be taken back, and this must not be destroyed.
  bool attempting() const { return attempting_; }
  bool connected() const { return store_.load(std::memory_order_acquire) != nullptr; }

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override;
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override;
  Task<Result<std::string>> incarnation() override;
  Task<Result<void>> disown_caches() override;
  Task<Result<void>> flush() override;

 private:
  // One attempt; true when the store is there.
  Task<bool> try_connect();
  std::unexpected<Error> not_yet() const;

  const Open open_;
  const Report report_;
  const Pauses pauses_;
  std::unique_ptr<ProductService> owned_;
  std::atomic<ProductService*> store_ = nullptr;
  bool stopped_ = false;
  bool attempting_ = false;
  boost::asio::steady_timer* pause_ = nullptr;  // while connect() waits
  mutable std::mutex mutex_;                    // for reason_
  std::string reason_ = "it has not been tried";
};

}  // namespace dataflow::cmd
