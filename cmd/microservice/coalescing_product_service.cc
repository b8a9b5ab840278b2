#include "cmd/microservice/coalescing_product_service.h"

#include <exception>
#include <optional>
#include <utility>

namespace dataflow::cmd {

// One call of the store, and those who wait for its answer beside the one who made it.
struct CoalescingProductService::Read {
  Clock::time_point begun;
  bool is_joined = false;  // most are not: nothing is copied for those
  std::vector<std::move_only_function<void(bool)>> waiting;
  // For those who wait; set once, and not changed any more.
  std::optional<Result<Product>> found;
};

// Finishes a read however its coroutine ends.
class CoalescingProductService::Leader {
 public:
  Leader(CoalescingProductService& service, ProductId id, std::shared_ptr<Read> read)
      : service_(service), id_(id), read_(std::move(read)) {}
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;
  ~Leader() {
    if (read_ == nullptr) return;
    finish(fail(ErrorCode::kUnavailable, "the read of product " + std::to_string(id_) +
                                             " was given up before it had an answer"));
  }

  void finish(const Result<Product>& found) {
    service_.finish(id_, std::exchange(read_, nullptr), found);
  }

 private:
  CoalescingProductService& service_;
  const ProductId id_;
  std::shared_ptr<Read> read_;
};

Task<Result<Product>> CoalescingProductService::find(ProductId id) {
  auto [read, leads] = join_or_lead(id);
  if (!leads) co_return co_await join(id, std::move(read));
  Leader leader(*this, id, std::move(read));
  Result<Product> found = fail(ErrorCode::kInternal, "the store threw an exception");
  try {
    found = co_await store_.find(id);
  } catch (const std::exception& error) {
    found.error().cause = error.what();  // a broken contract is told to all alike
  }
  leader.finish(found);
  co_return std::move(found);
}

std::pair<std::shared_ptr<CoalescingProductService::Read>, bool>
CoalescingProductService::join_or_lead(ProductId id) {
  const auto now = now_();
  Shard& shard = shard_of(id);
  const std::lock_guard lock(shard.mutex);
  std::shared_ptr<Read>& newest = shard.reads[id];
  if (newest != nullptr && now - newest->begun < kJoinWithin) {
    newest->is_joined = true;
    return {newest, false};
  }
  newest = std::make_shared<Read>(now);
  return {newest, true};
}

Task<Result<Product>> CoalescingProductService::join(ProductId id, std::shared_ptr<Read> read) {
  co_await async_value<bool>([mutex = &shard_of(id).mutex, at = read.get()](auto done) {
    {
      const std::lock_guard lock(*mutex);
      if (!at->found) {
        at->waiting.push_back(std::move(done));
        return;
      }
    }
    done(true);  // it was answered since the caller saw it
  });
  co_return *read->found;
}

void CoalescingProductService::finish(ProductId id, const std::shared_ptr<Read>& read,
                                      const Result<Product>& found) {
  std::vector<std::move_only_function<void(bool)>> waiting;
  {
    auto& [mutex, reads] = shard_of(id);
    const std::lock_guard lock(mutex);
    if (const auto newest = reads.find(id); newest != reads.end() && newest->second == read) {
      reads.erase(newest);
    }
    if (!read->is_joined) return;
    read->found = found;
    waiting.swap(read->waiting);
  }
  for (auto& done : waiting) done(true);
}

}  // namespace dataflow::cmd
