// CoalescingProductService: a product that many ask for at once is read once (docs/adr/0007).
//
// A find() that comes while the store is being asked for the same id waits for that answer,
// whatever it is: the product, kNotFound, an error. Nothing is kept: the first find() after the
// answer asks the store again. A read is joined within kJoinWithin of its beginning; who comes
// later begins another one. So an answer is at most that much older than one read anew, and a read
// that hangs is not everybody's.
//
// A find() that nobody waits for any more goes on for those who joined it. Where its coroutine is
// destroyed instead (its executor has ended), they are told kUnavailable. All other methods are the
// store's own. Thread safety and errors: as ProductService; the store must outlive this.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "dataflow/product_service.h"

namespace dataflow::cmd {

class CoalescingProductService : public ProductService {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kJoinWithin{100};

  explicit CoalescingProductService(ProductService& store) : store_(store) {}
  // With another clock, for tests.
  CoalescingProductService(ProductService& store, std::function<Clock::time_point()> now)
      : store_(store), now_(std::move(now)) {}

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override {
    return store_.find_many(ids);
  }
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override {
    return store_.save_many(products, time, stored);
  }
  Task<Result<std::string>> incarnation() override { return store_.incarnation(); }
  Task<Result<std::string>> trust_cache(std::string_view cache) override {
    return store_.trust_cache(cache);
  }
  Task<Result<std::string>> disown_caches() override { return store_.disown_caches(); }
  Task<Result<std::uint64_t>> writer_number() override { return store_.writer_number(); }
  Task<Result<void>> flush() override { return store_.flush(); }

 private:
  struct Read;
  class Leader;

  // The reads of some of the ids. With one lock for all, threads that ask for different products
  // stand in line behind the one that was put to sleep with it.
  struct alignas(64) Shard {
    std::mutex mutex;  // of the map and of every Read in it
    std::unordered_map<ProductId, std::shared_ptr<Read>> reads;  // the newest for each id
  };
  static constexpr std::size_t kShards = 64;
  Shard& shard_of(ProductId id) { return shards_[static_cast<std::uint64_t>(id) % kShards]; }

  // The read to wait for, and whether the caller has to do it.
  std::pair<std::shared_ptr<Read>, bool> join_or_lead(ProductId id);
  Task<Result<Product>> join(ProductId id, std::shared_ptr<Read> read);
  void finish(ProductId id, const std::shared_ptr<Read>& read, const Result<Product>& found);

  ProductService& store_;
  const std::function<Clock::time_point()> now_ = Clock::now;
  std::array<Shard, kShards> shards_;
};

}  // namespace dataflow::cmd
