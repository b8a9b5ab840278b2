#include "cmd/microservice/late_product_service.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace dataflow::cmd {

namespace {

template <class T>
Task<Result<T>> failed(std::unexpected<Error> error) {
  co_return Result<T>(std::move(error));
}

}  // namespace

LateProductService::LateProductService(Open open, Report report, Pauses pauses)
    : open_(std::move(open)), report_(std::move(report)), pauses_(pauses) {}

Task<bool> LateProductService::try_connect() {
  attempting_ = true;
  auto opened = co_await open_();
  attempting_ = false;
  if (opened) {
    owned_ = std::move(*opened);
    store_.store(owned_.get(), std::memory_order_release);
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

Task<void> LateProductService::connect() {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  auto pause = pauses_.first;
  while (!stopped_) {
    const bool done = co_await try_connect();
    if (done || stopped_) break;
    timer.expires_after(pause);
    pause_ = &timer;
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    pause_ = nullptr;
    pause = std::min(pause * 2, pauses_.longest);
  }
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
  if (ProductService* store = store_.load(std::memory_order_acquire)) return store->find(id);
  return failed<Product>(not_yet());
}

Task<Result<std::vector<std::optional<Product>>>> LateProductService::find_many(
    std::span<const ProductId> ids) {
  if (ProductService* store = store_.load(std::memory_order_acquire)) return store->find_many(ids);
  return failed<std::vector<std::optional<Product>>>(not_yet());
}

Task<Result<void>> LateProductService::save_many(std::span<const ProductView> products,
                                                 WriteTime time, std::span<bool> stored) {
  if (ProductService* store = store_.load(std::memory_order_acquire)) {
    return store->save_many(products, time, stored);
  }
  return failed<void>(not_yet());
}

Task<Result<std::string>> LateProductService::incarnation() {
  if (ProductService* store = store_.load(std::memory_order_acquire)) return store->incarnation();
  return failed<std::string>(not_yet());
}

Task<Result<void>> LateProductService::disown_caches() {
  if (ProductService* store = store_.load(std::memory_order_acquire)) return store->disown_caches();
  return failed<void>(not_yet());
}

Task<Result<void>> LateProductService::flush() {
  if (ProductService* store = store_.load(std::memory_order_acquire)) return store->flush();
  return failed<void>(not_yet());
}

}  // namespace dataflow::cmd
