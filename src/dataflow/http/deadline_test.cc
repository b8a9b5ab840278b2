// Goal: nobody can hold the server up, neither a client nor the store nor the end of the process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "dataflow/http/server_fixture.h"

namespace dataflow::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// Of a header that is to be too slow: it begins when a client is accepted, which must have sent the
// first bytes by then, also on a busy machine.
constexpr milliseconds kHeaderTimeout{1'000};
constexpr milliseconds kDrip{5};

TEST_F(ServerTest, AStoreThatDoesNotAnswerInTimeIs503) {
  options_.request_timeout = milliseconds(30);
  hold_the_store();
  start();
  auto client = connect();
  client.send(kGet42);
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->fields.at("retry-after"), "1");
  EXPECT_EQ(answer->fields.at("connection"), "close");
  EXPECT_TRUE(client.closed());
  // The late answer hurts nobody, and the next client is served.
  ASSERT_TRUE(held_.wait_for(1));
  held_.release();
  auto next = connect();
  next.send(get("/x"));
  EXPECT_EQ(next.read_answer().value_or(Answer{}).status, 404);
}

TEST_F(ServerTest, CallsThatTheStoreNeverAnsweredKeepTheirSlots) {
  options_.request_timeout = milliseconds(20);
  options_.max_connections = 2;
  hold_the_store();
  start();
  for (int i = 0; i < 2; ++i) {
    auto client = connect();
    client.send(kGet42);
    EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 503);
    EXPECT_TRUE(client.closed());
  }
  auto third = connect();
  EXPECT_THAT(third.read_answer().value_or(Answer{}).body, HasSubstr("Too many connections"));
  ASSERT_TRUE(held_.wait_for(2));
  held_.release();
}

// An empty line after a request is none: the connection is idle, and closed without a word.
TEST_F(ServerTest, AnEmptyLineIsNoSlowRequest) {
  options_.header_timeout = kHeaderTimeout;
  options_.idle_timeout = 2 * kHeaderTimeout;
  start();
  auto client = connect();
  client.send(std::string(kGet42) + "\r\n");
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  client.send("\r\n");
  EXPECT_TRUE(client.closed()) << client.input();
}

TEST_F(ServerTest, ADrainDoesNotWaitForWhatFollowsAnEmptyLine) {
  start();
  auto client = connect();
  client.send(std::string(kGet42) + "\r\n");
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_EQ(server_->wait(), 0u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, options_.drain_timeout);
}

TEST_F(ServerTest, ASlowRequestIs408) {
  options_.header_timeout = kHeaderTimeout;
  start();
  auto client = connect();
  client.send("GET /product/42 HTTP/1.1\r\nHo");
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 408);
  EXPECT_TRUE(client.closed());
}

// The deadline is for the whole request: a byte now and then does not extend it.
TEST_F(ServerTest, ARequestThatDripsIs408) {
  options_.header_timeout = kHeaderTimeout;
  start();
  auto client = connect();
  client.send("GET /product/42 HTTP/1.1\r\nHost: x\r\nA: ");
  EXPECT_TRUE(client.drip(kDrip)) << "a byte now and then extends the deadline";
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 408);
}

TEST_F(ServerTest, ABodyThatDoesNotComeIs408) {
  options_.header_timeout = kHeaderTimeout;
  start();
  auto client = connect();
  client.send(get("/product/42", "Content-Length: 5\r\n") + "he");
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 408);
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, AConnectionThatSaysNothingIsClosedWithoutAWord) {
  options_.header_timeout = milliseconds(50);
  start();
  EXPECT_TRUE(connect().closed());
}

TEST_F(ServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  options_.idle_timeout = milliseconds(50);
  start();
  auto client = connect();
  client.send(kGet42);
  EXPECT_TRUE(client.read_answer());
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, AClientThatDoesNotReadIsClosed) {
  options_.write_timeout = milliseconds(50);
  Product large{42, std::string(1 << 20, 'x'), {}, {}, {}, {}, {}};
  store_.find_fn = [large](ProductId) { return large; };
  start();
  TestClient client(server_->port(), 4'096);
  std::string requests;
  for (int i = 0; i < 64; ++i) requests += kGet42;  // 64 MiB of answers: more than buffers hold
  client.send(requests);
  auto other = connect();
  other.send(get("/x"));
  EXPECT_TRUE(other.read_answer());
  // Until the server has given up: what comes after that is refused. Nothing was read so far, so
  // not everything can be there.
  EXPECT_TRUE(client.drip_until_refused(kDrip)) << "it waits for who does not read";
  server_->stop();
  EXPECT_EQ(server_->wait(), 0U);
  std::size_t answers = 0;
  while (client.read_answer()) ++answers;
  EXPECT_LT(answers, 64U);
}

TEST_F(ServerTest, StopFinishesWhatIsInFlightAndNothingElse) {
  options_.threads = 2;
  hold_the_store();
  start();
  const auto port = server_->port();
  auto busy = connect();
  busy.send(kGet42);
  auto piped = connect();
  piped.send(std::string(kGet42) + std::string(kGet42));
  auto idle = connect();
  idle.send(get("/x"));
  EXPECT_TRUE(idle.read_answer());
  ASSERT_TRUE(held_.wait_for(2));
  server_->stop();
  server_->stop();
  EXPECT_TRUE(idle.closed());
  held_.release();
  for (auto* client : {&busy, &piped}) {
    const auto answer = client->read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->fields.at("connection"), "close");
    EXPECT_TRUE(client->closed());
    client->close();
  }
  EXPECT_EQ(server_->wait(), 0U);
  EXPECT_FALSE(TestClient(port).connected());
}

TEST_F(ServerTest, ARequestHalfReceivedAtStopIsFinished) {
  start();
  auto client = connect();
  client.send(get("/x"));
  EXPECT_TRUE(client.read_answer());
  client.send(
      "GET /product/42 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 100);  // so it has the header
  auto idle = connect();
  idle.send(get("/x"));
  EXPECT_TRUE(idle.read_answer());
  server_->stop();
  EXPECT_TRUE(idle.closed());  // so the drain has begun
  client.send("x");
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->fields.at("connection"), "close");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(server_->wait(), 0U);
}

TEST_F(ServerTest, TheDrainHasADeadlineAndStuckCallsAreReported) {
  options_.drain_timeout = milliseconds(50);
  hold_the_store();
  start();
  auto client = connect();
  client.send(kGet42);
  auto half = connect();
  half.send("GET /pro");
  ASSERT_TRUE(held_.wait_for(1));
  server_->stop();
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 503);
  EXPECT_TRUE(half.closed());
  EXPECT_EQ(server_->wait(), 1U);
  server_.reset();
  held_.release();  // too late, into a server that is gone: it must not hurt
}

TEST_F(ServerTest, DestroyedWithoutStopItEnds) {
  start();
  auto idle = connect();
  idle.send(kGet42);
  EXPECT_TRUE(idle.read_answer());
  auto half = connect();
  half.send("GET /pro");
  server_.reset();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(half.closed());
  Server never_started(options_, store_);
  EXPECT_TRUE(never_started.listen());
}

}  // namespace
}  // namespace dataflow::http
