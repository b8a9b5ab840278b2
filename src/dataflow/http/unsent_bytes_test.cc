// Goal: answers that clients do not take have a limit, small ones and who is alone are served.
#include "dataflow/http/unsent_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "dataflow/http/server_fixture.h"

namespace dataflow::http {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(UnsentBytes, HaveALimitAndSmallOnesAreNotCounted) {
  constexpr std::size_t kLimit = 100'000;
  std::atomic<std::size_t> total{0};
  {
    const UnsentBytes small(total, kLimit, kSmallAnswer);
    EXPECT_TRUE(small.has_room());
    EXPECT_EQ(total, 0U);
    const UnsentBytes first(total, kLimit, 60'000);
    EXPECT_TRUE(first.has_room());
    const UnsentBytes too_many(total, kLimit, 40'001);
    EXPECT_FALSE(too_many.has_room());
    EXPECT_EQ(total, 60'000U);
    const UnsentBytes exactly(total, kLimit, 40'000);
    EXPECT_TRUE(exactly.has_room());
    EXPECT_EQ(total, kLimit);
  }
  EXPECT_EQ(total, 0U);
  const UnsentBytes alone(total, kLimit, kLimit + 1);
  EXPECT_TRUE(alone.has_room());
}

class UnsentAnswers : public ServerTest {
 protected:
  // More than a socket takes by itself.
  static constexpr std::size_t kLarge = 32 << 20;

  UnsentAnswers() {
    options_.log = [this](const std::string& what) {
      const std::lock_guard lock(mutex_);
      reports_.push_back(what);
    };
    store_.find_fn = [](ProductId id) -> Result<Product> {
      if (id == 43) return Product{43, std::string(kLarge, 'x'), {}, {}, {}, {}, {}};
      return find_one(id);
    };
  }

  Answer ask(TestClient& client, std::string_view request, bool to_head = false) {
    EXPECT_TRUE(client.send(request));
    return client.read_answer(to_head).value_or(Answer{});
  }

  // For the large product.
  Answer ask_until_there_is_room(TestClient& client) {
    const auto until = std::chrono::steady_clock::now() + TestClient::kPatience;
    Answer answer;
    do {
      answer = ask(client, get("/product/43"));
    } while (answer.status == 503 && std::chrono::steady_clock::now() < until);
    return answer;
  }

  std::mutex mutex_;
  std::vector<std::string> reports_;
};

TEST_F(UnsentAnswers, OneTooManyIs503UntilAClientHasTakenItsOwn) {
  options_.max_unsent_bytes = kLarge + kLarge / 2;
  start();
  TestClient slow(server_->port(), 4'096);
  ASSERT_TRUE(slow.send(get("/product/43")));
  ASSERT_TRUE(slow.receive());
  auto other = connect();
  const Answer refused = ask(other, get("/product/43"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.fields.at("retry-after"), "1");
  EXPECT_EQ(ask(other, kGet42).body, kJson42);
  EXPECT_EQ(ask(other, "HEAD /product/43 HTTP/1.1\r\nHost: x\r\n\r\n", true).status, 200);
  EXPECT_GT(slow.read_answer().value_or(Answer{}).body.size(), kLarge);
  const Answer answer = ask_until_there_is_room(other);
  EXPECT_EQ(answer.status, 200);
  EXPECT_GT(answer.body.size(), kLarge);
  const std::lock_guard lock(mutex_);
  EXPECT_THAT(reports_, Contains(HasSubstr("answering 503 to who asks for a large one")));
}

TEST_F(UnsentAnswers, WhoGoesAwayLeavesRoom) {
  options_.max_unsent_bytes = kLarge;
  start();
  for (int i = 0; i < 3; ++i) {
    TestClient gone(server_->port(), 4'096);
    ASSERT_TRUE(gone.send(get("/product/43")));
    ASSERT_TRUE(gone.receive());
    gone.close();
    auto other = connect();
    EXPECT_EQ(ask_until_there_is_room(other).status, 200);
  }
}

}  // namespace
}  // namespace dataflow::http
