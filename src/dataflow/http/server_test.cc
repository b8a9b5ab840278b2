// Goal: over a real socket, requests are answered, limits hold and the operator is told.
#include "dataflow/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "dataflow/http/request_parser.h"
#include "dataflow/http/server_fixture.h"
#include "dataflow/mock/no_more_files.h"

namespace dataflow::http {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST_F(ServerTest, AProduct) {
  start();
  auto client = connect();
  client.send(kGet42);
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, kJson42);
  EXPECT_EQ(answer->fields.at("content-type"), "application/json");
  EXPECT_EQ(answer->fields.at("content-length"), std::to_string(kJson42.size()));
  EXPECT_EQ(answer->fields.at("server"), "dataflow");
  EXPECT_THAT(answer->fields.at("date"), MatchesRegex("[A-Z][a-z]+, .* GMT"));
  EXPECT_FALSE(answer->fields.contains("connection"));
}

TEST_F(ServerTest, HeadIsGetWithoutABody) {
  start();
  auto client = connect();
  for (const auto& [target, status] : std::vector<std::pair<std::string, int>>{
           {"/product/42", 200}, {"/product/43", 404}, {"/product/x", 400}, {"/x", 404}}) {
    client.send("HEAD " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto head = client.read_answer(true);
    client.send(get(target));
    const auto full = client.read_answer();
    ASSERT_TRUE(head && full);
    EXPECT_EQ(head->status, status);
    EXPECT_EQ(full->status, status);
    EXPECT_EQ(head->fields.at("content-length"), full->fields.at("content-length"));
    EXPECT_EQ(head->fields.at("content-type"), full->fields.at("content-type"));
  }
}

TEST_F(ServerTest, LargestAllowedHeaderAndTargetPass) {
  start();
  auto client = connect();
  const std::string target = "/product/42?" + std::string(options_.max_target_bytes - 12, 'x');
  client.send(get(target));
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  std::string request = get("/product/42", "A: \r\n");
  request.insert(request.find("A: ") + 3, options_.max_header_bytes - request.size(), 'x');
  ASSERT_EQ(request.size(), options_.max_header_bytes);
  client.send(request);
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  request.insert(request.find("A: ") + 3, "x");
  client.send(request);
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 431);
}

// Beast measures its limit from the last complete field; many small ones in many packets pass it.
TEST_F(ServerTest, FieldsThatDripAreLimitedAllTogether) {
  start();
  auto client = connect();
  client.send("GET /product/42 HTTP/1.1\r\nHost: x\r\n");
  std::size_t sent = 0;
  while (sent < 100 * options_.max_header_bytes && !client.readable_now()) {
    if (!client.send("A: b\r\n")) break;
    sent += 6;
  }
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 431);
  EXPECT_TRUE(client.closed());
}

// Beast, once it has seen a part of a header, waits for the rest with its carriage returns.
TEST_F(ServerTest, BareLineFeedsAreRefusedWhereverPacketsEnd) {
  const std::string request = "GET /product/42 HTTP/1.1\nHost: x\n\n";
  for (std::size_t cut = 1; cut < request.size(); cut += 3) {
    Options options;
    std::string target;
    RequestParser parser(options, target);
    std::size_t consumed = 0;
    auto progress = parser.parse(std::string_view(request).substr(0, cut), consumed);
    if (progress == RequestParser::Progress::kNeedMore) {
      progress = parser.parse(std::string_view(request).substr(consumed), consumed);
    }
    EXPECT_EQ(progress, RequestParser::Progress::kBad) << cut;
    EXPECT_EQ(parser.bad().status, 400u) << cut;
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  auto client = connect();
  std::string requests;
  for (int i = 0; i < 200; ++i) {
    requests += i % 3 == 0 ? std::string(kGet42) : get("/product/" + std::to_string(1'000 + i));
    if (i % 7 == 0) requests += "HEAD /product/42 HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.send(requests + get("/product/42", "Connection: close\r\n"));
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(client.read_answer().value_or(Answer{}).status, i % 3 == 0 ? 200 : 404);
    if (i % 7 == 0) {
      EXPECT_EQ(client.read_answer(true).value_or(Answer{}).status, 200);
    }
  }
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, NothingIsAnsweredAfterTheRequestThatCloses) {
  start();
  auto client = connect();
  client.send(get("/product/42", "Connection: close\r\n") + std::string(kGet42));
  EXPECT_TRUE(client.read_answer());
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, ContinuesWhenTheClientAsksBeforeItsBody) {
  start();
  auto client = connect();
  client.send(get("/product/42", "Expect: 100-continue\r\nContent-Length: 2\r\n"));
  const auto go_on = client.read_answer();
  ASSERT_TRUE(go_on);
  EXPECT_EQ(go_on->status, 100);
  client.send("{}");
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  client.send(get("/product/42", "Expect: 100-continue\r\nContent-Length: 20000\r\n"));
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 413);
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, AClientMayStopSendingAndStillIsAnswered) {
  start();
  auto client = connect();
  client.send(kGet42);
  client.shutdown_send();
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
  EXPECT_TRUE(client.closed());
  auto half = connect();
  half.send("GET /product/42 HT");
  half.shutdown_send();
  EXPECT_TRUE(half.closed());
}

TEST_F(ServerTest, EveryErrorOfTheStoreIsAnsweredAndTheOperatorIsTold) {
  std::mutex mutex;
  std::string told;
  options_.log = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    told += what;
  };
  const std::vector<std::pair<ErrorCode, int>> cases = {
      {ErrorCode::kUnavailable, 503}, {ErrorCode::kUnauthorized, 503}, {ErrorCode::kInvalid, 503},
      {ErrorCode::kConflict, 503},    {ErrorCode::kInternal, 500},     {ErrorCode::kNotFound, 404}};
  store_.find_fn = [&cases](ProductId id) -> Result<Product> {
    return fail(cases[static_cast<std::size_t>(id)].first, "node 10.0.0.1", "secret cause");
  };
  start();
  auto client = connect();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    client.send(get("/product/" + std::to_string(i)));
    const auto answer = client.read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, cases[i].second);
    EXPECT_EQ(answer->fields.contains("retry-after"), cases[i].second == 503);
    EXPECT_THAT(answer->body, ::testing::Not(HasSubstr("10.0.0.1")));
  }
  const std::lock_guard lock(mutex);
  EXPECT_EQ(told, "the store could not be read: node 10.0.0.1 (secret cause)");  // once a second
}

TEST_F(ServerTest, AnExceptionOfTheStoreIsAMistakeNotTheEnd) {
  store_.find_fn = [](ProductId) -> Result<Product> { throw std::runtime_error("oops"); };
  start();
  auto client = connect();
  client.send(kGet42);
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 500);
  client.send(get("/"));
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 404);
}

TEST_F(ServerTest, OneConnectionTooManyIsTold) {
  options_.max_connections = 3;
  start();
  std::vector<TestClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    clients.back().send(kGet42);
    EXPECT_EQ(clients.back().read_answer().value_or(Answer{}).status, 200);
  }
  auto refused = connect();
  const auto answer = refused.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->fields.at("retry-after"), "1");
  EXPECT_EQ(answer->fields.at("connection"), "close");
  EXPECT_TRUE(refused.closed());
  // A place that is given back can be had again, as soon as the server has noticed.
  clients.pop_back();
  const auto until = std::chrono::steady_clock::now() + TestClient::kPatience;
  int status = 0;
  while (status != 200 && std::chrono::steady_clock::now() < until) {
    auto again = connect();
    again.send(kGet42);
    status = again.read_answer().value_or(Answer{}).status;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(ServerTest, ManyConnectionsOnSeveralThreads) {
  constexpr std::size_t kClients = 300;
  options_.threads = 3;
  start();
  std::vector<TestClient> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().connected());
  }
  for (int round = 0; round < 5; ++round) {
    for (auto& client : clients) client.send(kGet42);
    for (auto& client : clients) {
      const auto answer = client.read_answer();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->body, kJson42);
    }
  }
}

TEST_F(ServerTest, ClientsThatVanishAtAnyPointHurtNobody) {
  options_.threads = 2;
  start();
  std::string request = get("/product/42", "Content-Length: 4\r\n") + "body" + std::string(kGet42);
  for (std::size_t cut = 0; cut <= request.size(); ++cut) {
    auto client = connect();
    client.send(request.substr(0, cut));
    if (cut % 2 == 0) client.shutdown_send();
    client.close();
  }
  auto client = connect();
  client.send(kGet42);
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
}

TEST_F(ServerTest, APortInUseIsToldWithWhatToDo) {
  start();
  options_.port = server_->port();
  Server second(options_, store_);
  const auto listening = second.listen();
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(listening.error().message,
            "cannot listen on " + server_->address() +
                ": another program uses this port; stop it or choose another one (-listen)");
}

#ifndef __SANITIZE_ADDRESS__  // see NoMoreFiles
TEST_F(ServerTest, WithoutADescriptorItSaysWhichLimitToRaise) {
  Server server(options_, store_);
  const mock::NoMoreFiles none;
  const auto listening = server.listen();
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(listening.error().message, HasSubstr("allow more open files (ulimit -n)"));
}
#endif

TEST_F(ServerTest, AHostThatIsNoneIsTold) {
  options_.host = "no such host";
  Server server(options_, store_);
  const auto listening = server.listen();
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(listening.error().message, HasSubstr("no such host"));
  options_.host = "192.0.2.1";  // of the documentation: nobody's
  Server elsewhere(options_, store_);
  EXPECT_EQ(elsewhere.listen().error().code, ErrorCode::kInvalid);
}

TEST_F(ServerTest, ListensOnEveryInterfaceWithoutAHost) {
  options_.host = "";
  start();
  auto client = connect();
  client.send(kGet42);
  EXPECT_EQ(client.read_answer().value_or(Answer{}).status, 200);
}

TEST_F(ServerTest, EachRequestIsALineOfTheAccessLog) {
  std::string all;  // one worker writes
  options_.access_log = [&all](std::string& lines) {
    all += lines;
    lines.clear();
  };
  start();
  auto client = connect();
  client.send(kGet42);
  EXPECT_TRUE(client.read_answer());
  client.send("HEAD /product/43?q HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.read_answer(true));
  client.send("nonsense\r\n\r\n");
  EXPECT_TRUE(client.read_answer());
  client.close();
  server_.reset();
  EXPECT_THAT(all, MatchesRegex("[-0-9T:.]+Z 127.0.0.1 GET /product/42 200 96 [0-9]+\n"
                                "[-0-9T:.]+Z 127.0.0.1 HEAD /product/43.q 404 0 [0-9]+\n"
                                "[-0-9T:.]+Z 127.0.0.1 - - 400 [0-9]+ [0-9]+\n"));
}

}  // namespace
}  // namespace dataflow::http
