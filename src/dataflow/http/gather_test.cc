// Goal: answers of requests that are ready together go out together, where that is asked for, and
// none of them is lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <future>
#include <string>
#include <vector>

#include "dataflow/http/server_fixture.h"

namespace dataflow::http {
namespace {

// Two requests that are ready together are both read before the first of them is answered.
TEST_F(ServerTest, AnswersAreGatheredWhereThatIsAskedFor) {
  for (const bool gathers : {true, false}) {
    options_.gather_answers = gathers;
    std::vector<TestClient> both;
    std::promise<std::ptrdiff_t> answered;  // when the second of them is read
    int asked = 0;
    store_.find_fn = [&](ProductId id) {
      if (id == 1) {
        // The worker is here: it will see both at the same time.
        for (TestClient& client : both) client.send(kGet42);
      } else if (++asked == 2) {
        answered.set_value(std::ranges::count_if(both, &TestClient::readable_now));
      }
      return find_one(id);
    };
    start();
    auto first = connect();
    for (int i = 0; i < 2; ++i) {
      both.push_back(connect());
      both.back().send(get("/nothing"));  // the server waits for its next request
      ASSERT_TRUE(both.back().read_answer());
    }
    first.send(get("/product/1"));
    EXPECT_EQ(first.read_answer().value_or(Answer{}).status, 404);
    auto before_the_second = answered.get_future();
    ASSERT_EQ(before_the_second.wait_for(TestClient::kPatience), std::future_status::ready);
    EXPECT_EQ(before_the_second.get(), gathers ? 0 : 1);
    for (TestClient& client : both) {
      EXPECT_EQ(client.read_answer().value_or(Answer{}).body, kJson42);
    }
    server_.reset();
  }
}

TEST_F(ServerTest, GatheredAnswersKeepTheirOrderAndAreAllGivenBeforeTheEnd) {
  options_.gather_answers = true;
  start();
  auto client = connect();
  constexpr int kMany = 50;
  std::string requests;
  for (int i = 0; i < kMany; ++i) requests += get(i % 2 == 0 ? "/product/42" : "/product/43");
  client.send(requests);
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(client.read_answer().value_or(Answer{}).status, i % 2 == 0 ? 200 : 404);
  }
  store_.find_fn = [this](ProductId id) {
    server_->stop();
    return find_one(id);
  };
  client.send(kGet42);
  const auto last = client.read_answer();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->status, 200);
  EXPECT_TRUE(client.closed());
  server_->wait();
}

}  // namespace
}  // namespace dataflow::http
