// Goal: a product that many ask for at once is read once, each of them has the right answer within
// its own deadline, and no answer is kept for those who come later.
#include "cmd/microservice/coalescing_product_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

#include "dataflow/http/server_fixture.h"
#include "dataflow/mock/product_service.h"

namespace dataflow::cmd {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Found = Result<Product>;

Product lamp(std::string title) { return Product{42, std::move(title), 19.5, {}, {}, {}, {}}; }

// A store whose reads are answered one by one, by the test.
class Coalescing : public ::testing::Test {
 protected:
  Coalescing() {
    store_.find_fn = [this](ProductId id) { return held(id); };
  }

  Task<Found> held(ProductId id) {
    Found found = co_await async_value<Found>([this, id](auto done) {
      asked_.push_back(id);
      answers_.push_back(std::move(done));
    });
    co_return std::move(found);
  }

  // Until everybody waits. A context that has run out of work has to be told that there is more.
  void run() {
    io_.restart();
    io_.poll();
  }

  // Asks, and goes on until everybody waits.
  std::future<Found> ask(ProductId id = 42) {
    auto found = boost::asio::co_spawn(io_, service_.find(id), boost::asio::use_future);
    run();
    return found;
  }

  void answer(std::size_t read, const Found& found) {
    answers_.at(read)(found);
    run();
  }

  static bool is_done(const std::future<Found>& found) {
    return found.wait_for(milliseconds(0)) == std::future_status::ready;
  }

  std::vector<ProductId> asked_;
  std::vector<std::move_only_function<void(Found)>> answers_;
  mock::ProductService store_;
  CoalescingProductService::Clock::time_point now_{};
  CoalescingProductService service_{store_, [this] { return now_; }};
  boost::asio::io_context io_;
};

TEST_F(Coalescing, ReadsOnceForAllWhoAskMeanwhile) {
  std::vector<std::future<Found>> asking;
  for (int i = 0; i < 100; ++i) asking.push_back(ask());
  EXPECT_THAT(asked_, ElementsAre(42));
  for (const auto& one : asking) EXPECT_FALSE(is_done(one));
  answer(0, lamp("Lamp"));
  for (auto& one : asking) {
    ASSERT_TRUE(is_done(one));
    const Found found = one.get();
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, lamp("Lamp"));
  }
  EXPECT_THAT(asked_, ElementsAre(42));
}

TEST_F(Coalescing, ReadsEachIdForItself) {
  auto one = ask(1);
  auto two = ask(2);
  EXPECT_THAT(asked_, ElementsAre(1, 2));
  answer(1, fail(ErrorCode::kNotFound, "no 2"));
  EXPECT_FALSE(is_done(one));
  EXPECT_EQ(two.get().error().message, "no 2");
  answer(0, lamp("Lamp"));
  EXPECT_TRUE(one.get());
}

TEST_F(Coalescing, ReadsAgainForWhoComesAfterTheAnswer) {
  auto before = ask();
  auto joined = ask();
  answer(0, lamp("Lamp"));
  auto after = ask();
  EXPECT_THAT(asked_, ElementsAre(42, 42));
  answer(1, lamp("Better lamp"));
  EXPECT_EQ(before.get()->title, "Lamp");
  EXPECT_EQ(joined.get()->title, "Lamp");
  EXPECT_EQ(after.get()->title, "Better lamp");
}

TEST_F(Coalescing, TellsEveryoneTheErrorAndForgetsIt) {
  const Error errors[] = {{ErrorCode::kNotFound, "none", ""},
                          {ErrorCode::kUnavailable, "no answer", "timed out"},
                          {ErrorCode::kUnauthorized, "not yours", ""},
                          {ErrorCode::kInternal, "ours", ""}};
  std::size_t read = 0;
  for (const Error& error : errors) {
    auto first = ask();
    auto second = ask();
    answer(read++, std::unexpected(error));
    EXPECT_EQ(first.get().error(), error);
    EXPECT_EQ(second.get().error(), error);
  }
  EXPECT_EQ(asked_.size(), std::size(errors));
}

TEST_F(Coalescing, DoesNotJoinAReadThatHangs) {
  auto first = ask();
  now_ += CoalescingProductService::kJoinWithin - milliseconds(1);
  auto joined = ask();
  EXPECT_THAT(asked_, ElementsAre(42));
  now_ += milliseconds(1);
  auto second = ask();
  auto joined_second = ask();
  EXPECT_THAT(asked_, ElementsAre(42, 42));
  // The old read's answer, late, is for those who joined it, and leaves the newer read alone.
  answer(0, fail(ErrorCode::kUnavailable, "no answer"));
  EXPECT_FALSE(first.get());
  EXPECT_FALSE(joined.get());
  EXPECT_FALSE(is_done(second));
  auto joined_later = ask();
  EXPECT_THAT(asked_, ElementsAre(42, 42));
  answer(1, lamp("Lamp"));
  EXPECT_TRUE(second.get());
  EXPECT_TRUE(joined_second.get());
  EXPECT_TRUE(joined_later.get());
}

TEST_F(Coalescing, TellsEveryoneAlikeWhenTheStoreThrows) {
  store_.find_fn = [this](ProductId id) -> Task<Found> {
    return [](Task<Found> inner) -> Task<Found> {
      auto found = co_await std::move(inner);
      if (!found) throw std::runtime_error("broken");
      co_return std::move(found);
    }(held(id));
  };
  auto first = ask();
  auto second = ask();
  answer(0, fail(ErrorCode::kInternal, ""));
  for (auto* one : {&first, &second}) {
    const Found found = one->get();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kInternal);
    EXPECT_EQ(found.error().cause, "broken");
  }
}

TEST_F(Coalescing, TellsWhoJoinedWhenTheReaderIsDestroyed) {
  auto other = std::make_unique<boost::asio::io_context>();
  // Its callback goes with its executor.
  store_.find_fn = [](ProductId) -> Task<Found> {
    boost::asio::steady_timer never(co_await boost::asio::this_coro::executor,
                                    CoalescingProductService::Clock::time_point::max());
    co_await never.async_wait(boost::asio::use_awaitable);
    co_return fail(ErrorCode::kInternal, "cannot be");
  };
  auto first = boost::asio::co_spawn(*other, service_.find(42), boost::asio::use_future);
  other->poll();
  auto joined = ask();
  EXPECT_FALSE(is_done(joined));
  other.reset();
  run();
  ASSERT_TRUE(is_done(joined));
  EXPECT_EQ(joined.get().error().code, ErrorCode::kUnavailable);
  // Nothing of it is left: the next one asks the store.
  store_.find_fn = [](ProductId) { return lamp("Lamp"); };
  EXPECT_EQ(ask().get()->title, "Lamp");
}

// The same through the server, from several threads.
class CoalescingServer : public http::ServerTest {
 protected:
  static constexpr std::size_t kThreads = 2;

  ~CoalescingServer() override {
    held_.release();
    server_.reset();  // it uses the service, which is destroyed before it
  }

  void serve(milliseconds request_timeout) {
    options_.threads = kThreads;
    options_.request_timeout = request_timeout;
    store_.find_fn = [this](ProductId id) {
      ++finds_;
      return held_.find(id);
    };
    server_ = std::make_unique<http::Server>(options_, service_);
    ASSERT_TRUE(server_->listen());
    server_->start();
  }

  // Until the threads have taken up all that was sent: connections are dealt out in turn, and each
  // thread answers in order.
  void settle() {
    for (std::size_t i = 0; i < kThreads; ++i) {
      auto client = connect();
      ASSERT_TRUE(client.send(http::get("/product/none")));
      EXPECT_EQ(client.read_answer().value_or(http::Answer{}).status, 400);
    }
  }

  std::atomic<int> finds_ = 0;
  std::atomic<CoalescingProductService::Clock::time_point> now_{};
  CoalescingProductService service_{store_, [this] { return now_.load(); }};
};

TEST_F(CoalescingServer, GivesEachOfManyClientsTheOneAnswer) {
  serve(http::TestClient::kPatience);
  std::vector<http::TestClient> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send(http::kGet42));
  }
  settle();
  EXPECT_EQ(finds_, 1);
  held_.release();
  for (auto& client : clients) {
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, http::kJson42);
  }
  EXPECT_EQ(finds_, 1);
}

TEST_F(CoalescingServer, KeepsEachClientsDeadlineAndReadsAgainAfterwards) {
  serve(milliseconds(100));
  std::vector<http::TestClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send(http::kGet42));
  }
  for (auto& client : clients) {
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 503);
    EXPECT_TRUE(answer->fields.contains("retry-after"));
  }
  EXPECT_EQ(finds_, 1);
  // Who comes when the read hangs does not wait for it.
  now_ = now_.load() + CoalescingProductService::kJoinWithin;
  store_.find_fn = http::find_one;
  auto later = connect();
  ASSERT_TRUE(later.send(http::kGet42));
  EXPECT_EQ(later.read_answer().value_or(http::Answer{}).status, 200);
}

}  // namespace
}  // namespace dataflow::cmd
