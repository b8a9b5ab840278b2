// What the tests of the server share: a server on a free port with a mocked store.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/http/server.h"
#include "dataflow/http/test_client.h"
#include "dataflow/mock/product_service.h"

namespace dataflow::http {
inline constexpr std::string_view kGet42 = "GET /product/42 HTTP/1.1\r\nHost: x\r\n\r\n";
inline constexpr std::string_view kJson42 =
    R"({"id":42,"title":"Lamp","price":19.5,"category":null,"brand":null,"url":null,"description":null})";

inline Result<Product> find_one(ProductId id) {
  if (id == 42) return Product{42, "Lamp", 19.5, {}, {}, {}, {}};
  return fail(ErrorCode::kNotFound, "none");
}

// A store that answers when the test says so, from another thread than the server's.
class HeldStore {
 public:
  Task<Result<Product>> find(ProductId id) {
    auto product = co_await async_value<Result<Product>>([this, id](auto done) {
      const std::lock_guard lock(mutex_);
      waiting_.emplace_back(id, std::move(done));
      arrived_.notify_all();
    });
    co_return product;
  }

  // Waits until so many calls wait.
  bool wait_for(std::size_t calls) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, TestClient::kPatience, [&] { return waiting_.size() >= calls; });
  }

  void release() {
    std::vector<std::pair<ProductId, std::move_only_function<void(Result<Product>)>>> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(waiting_);
    }
    for (auto& [id, done] : calls) done(find_one(id));
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::pair<ProductId, std::move_only_function<void(Result<Product>)>>> waiting_;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options_.port = 0;
    options_.linger_timeout = std::chrono::milliseconds(200);
    store_.find_fn = find_one;
  }

  void start() {
    server_ = std::make_unique<Server>(options_, store_);
    const auto listening = server_->listen();
    ASSERT_TRUE(listening) << listening.error().message;
    server_->start();
  }

  TestClient connect() { return TestClient(server_->port()); }

  void hold_the_store() {
    store_.find_fn = [this](ProductId id) { return held_.find(id); };
  }

  Options options_;
  HeldStore held_;
  mock::ProductService store_;
  std::unique_ptr<Server> server_;
};

inline std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

}  // namespace dataflow::http
