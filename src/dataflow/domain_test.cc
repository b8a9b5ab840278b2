// Goal: the domain's small functions keep their contracts.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "dataflow/cache.h"
#include "dataflow/error.h"
#include "dataflow/fetch.h"
#include "dataflow/product.h"
#include "dataflow/task.h"

namespace dataflow {
namespace {

TEST(Error, EveryCodeHasItsOwnName) {
  EXPECT_EQ(to_string(ErrorCode::kInvalid), "invalid");
  EXPECT_EQ(to_string(ErrorCode::kNotFound), "not_found");
  EXPECT_EQ(to_string(ErrorCode::kUnavailable), "unavailable");
  EXPECT_EQ(to_string(ErrorCode::kUnauthorized), "unauthorized");
  EXPECT_EQ(to_string(ErrorCode::kConflict), "conflict");
  EXPECT_EQ(to_string(ErrorCode::kInternal), "internal");
}

TEST(Error, DescribesItselfWithItsCause) {
  EXPECT_EQ((Error{ErrorCode::kInvalid, "no such table", ""}.describe()), "no such table");
  EXPECT_EQ((Error{ErrorCode::kInvalid, "no such table", "code 8704"}.describe()),
            "no such table (code 8704)");
}

TEST(Product, ViewAndBackIsTheSame) {
  const Product full{7, "t", 1.5, "c", "b", "u", "d"};
  const Product bare{0, "only a title", {}, {}, {}, {}, {}};
  EXPECT_EQ(to_product(view_of(full)), full);
  EXPECT_EQ(to_product(view_of(bare)), bare);
}

TEST(Fetch, ObjectIdTellsNamesApartAndIsNeverNone) {
  EXPECT_NE(object_id("s3://b/1"), object_id("s3://b/2"));
  EXPECT_EQ(object_id("s3://b/1"), object_id("s3://b/1"));
  EXPECT_NE(object_id(""), kNoObject);
}

Task<int> value_from_another_thread() {
  std::thread other;
  auto value = co_await async_value<std::unique_ptr<int>>([&other](auto done) {
    other = std::thread([done = std::move(done)]() mutable { done(std::make_unique<int>(42)); });
  });
  other.join();
  co_return *value;
}

// g++ 12 destroys temporaries of awaited expressions twice if they are closures with destructors.
Task<int> value_of_a_closure_that_owns(std::shared_ptr<int> owned) {
  auto start = [owned](auto done) { done(*owned); };
  auto value = co_await async_value<int>(start);
  co_return value;
}

TEST(Task, AwaitsAMoveOnlyValueFromAForeignThread) {
  boost::asio::io_context io;
  auto result = boost::asio::co_spawn(io, value_from_another_thread(), boost::asio::use_future);
  io.run();
  EXPECT_EQ(result.get(), 42);
}

TEST(Task, AClosureThatOwnsSomethingIsDestroyedOnce) {
  boost::asio::io_context io;
  auto owned = std::make_shared<int>(7);
  auto result =
      boost::asio::co_spawn(io, value_of_a_closure_that_owns(owned), boost::asio::use_future);
  io.run();
  EXPECT_EQ(result.get(), 7);
  EXPECT_EQ(owned.use_count(), 1);
}

Task<int> value_through(std::promise<std::move_only_function<void(int)>>& callback) {
  auto start = [&callback](auto done) { callback.set_value(std::move(done)); };
  auto value = co_await async_value<int>(start);
  co_return value;
}

// A driver's thread destroys the callback when it comes to it. The executor may be gone by then; a
// new one in its place shows whether the callback still counts as work of the old one.
TEST(Task, TheCallbackMayOutliveTheExecutor) {
  std::optional<boost::asio::thread_pool> pool(std::in_place, 1);
  std::promise<std::move_only_function<void(int)>> promise;
  auto result = boost::asio::co_spawn(*pool, value_through(promise), boost::asio::use_future);
  std::optional callback = promise.get_future().get();
  (*callback)(7);
  EXPECT_EQ(result.get(), 7);
  pool.emplace(1);
  callback.reset();
  auto answer = boost::asio::post(*pool, boost::asio::use_future([] { return 8; }));
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace dataflow
