#include "cmd/microservice/late_product_service.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace dataflow::cmd {

namespace {

// Where nobody asks, watch() asks for this one, whether there is such a product or not.
constexpr ProductId kProbed = 0;

template <class T>
Task<Result<T>> failed(std::unexpected<Error> error) {
  co_return Result<T>(std::move(error));
}

// The store lives until the task has ended, also when another one has taken its place.
template <class T>
Task<T> keep(std::shared_ptr<ProductService> /*store*/, Task<T> task) {
  auto value = co_await std::move(task);
  co_return std::move(value);
}

}  // namespace

LateProductService::LateProductService(Open open, Report report, Pauses pauses)
    : open_(std::move(open)), report_(std::move(report)), pauses_(pauses) {}

Task<bool> LateProductService::try_connect() {
  attempting_ = true;
  auto opened = co_await open_();
  attempting_ = false;
  if (opened) {
    store_.store(std::move(*opened));
    const std::lock_guard lock(mutex_);
    reason_.clear();
    co_return true;
  }
  bool is_news = false;
  {
    const std::lock_guard lock(mutex_);
    is_news = reason_ != opened.error().describe();
    reason_ = opened.error().describe();
  }
  if (is_news) report_(opened.error());
  co_return false;
}

Task<void> LateProductService::wait(std::chrono::milliseconds pause) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  timer.expires_after(pause);
  pause_ = &timer;
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  pause_ = nullptr;
}

Task<void> LateProductService::connect() {
  auto pause = pauses_.first;
  while (!stopped_) {
    const bool done = co_await try_connect();
    if (done || stopped_) break;
    co_await wait(pause);
    pause = std::min(pause * 2, pauses_.longest);
  }
}

Task<void> LateProductService::watch(std::function<void()> reopened) {
  auto pause = pauses_.watch;
  while (!stopped_) {
    co_await wait(pause);
    pause = pauses_.watch;
    if (stopped_ || answered_.exchange(false)) continue;
    const bool answers = co_await store_answers();
    if (answers || stopped_) continue;
    const bool done = co_await try_connect();
    if (!done) continue;
    // Not again and again where that alone does not help (too few replicas).
    pause = pauses_.longest;
    reopened();
  }
}

Task<bool> LateProductService::store_answers() {
  attempting_ = true;
  [[maybe_unused]] const auto found = co_await find(kProbed);
  attempting_ = false;
  co_return answered_.exchange(false);
}

void LateProductService::stop() {
  stopped_ = true;
  if (pause_ != nullptr) pause_->cancel();
}

std::unexpected<Error> LateProductService::not_yet() const {
  const std::lock_guard lock(mutex_);
  return fail(ErrorCode::kUnavailable, "the store is not connected yet", reason_);
}

Task<Result<Product>> LateProductService::find(ProductId id) {
  if (Store store = store_.load()) return find_in(*this, std::move(store), id);
  return failed<Product>(not_yet());
}

Task<Result<Product>> LateProductService::find_in(LateProductService& self, Store store,
                                                  ProductId id) {
  auto found = co_await store->find(id);
  const bool is_answer = found || found.error().code == ErrorCode::kNotFound;
  // Written once a look: threads would take the cache line from each other with every answer.
  if (is_answer && !self.answered_.load(std::memory_order_relaxed)) self.answered_ = true;
  co_return std::move(found);
}

Task<Result<std::vector<std::optional<Product>>>> LateProductService::find_many(
    std::span<const ProductId> ids) {
  if (Store store = store_.load()) return keep(store, store->find_many(ids));
  return failed<std::vector<std::optional<Product>>>(not_yet());
}

Task<Result<void>> LateProductService::save_many(std::span<const ProductView> products,
                                                 WriteTime time, std::span<bool> stored) {
  if (Store store = store_.load()) return keep(store, store->save_many(products, time, stored));
  return failed<void>(not_yet());
}

Task<Result<std::string>> LateProductService::incarnation() {
  if (Store store = store_.load()) return keep(store, store->incarnation());
  return failed<std::string>(not_yet());
}

Task<Result<std::string>> LateProductService::trust_cache(std::string_view cache) {
  if (Store store = store_.load()) return keep(store, store->trust_cache(cache));
  return failed<std::string>(not_yet());
}

Task<Result<std::string>> LateProductService::disown_caches() {
  if (Store store = store_.load()) return keep(store, store->disown_caches());
  return failed<std::string>(not_yet());
}

Task<Result<std::uint64_t>> LateProductService::writer_number() {
  if (Store store = store_.load()) return keep(store, store->writer_number());
  return failed<std::uint64_t>(not_yet());
}

Task<Result<void>> LateProductService::flush() {
  if (Store store = store_.load()) return keep(store, store->flush());
  return failed<void>(not_yet());
}

}  // namespace dataflow::cmd
