// Goal: every sequence of bytes that a server meets has its answer, and the connection goes on or
// ends as it should.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "dataflow/http/server_fixture.h"

namespace dataflow::http {
namespace {

using ::testing::HasSubstr;

struct Exchange {
  const char* name;
  std::string request;
  int status;
  bool closes;
  std::string detail;  // in the body
};

void PrintTo(const Exchange& exchange, std::ostream* out) { *out << exchange.name; }

// Every byte sequence that a server meets: what it answers, and whether the connection goes on.
class ExchangeTest : public ServerTest, public ::testing::WithParamInterface<Exchange> {};

TEST_P(ExchangeTest, HasItsAnswer) {
  const Exchange& exchange = GetParam();
  start();
  auto client = connect();
  client.send(exchange.request);
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, exchange.status) << answer->body;
  EXPECT_THAT(answer->body, HasSubstr(exchange.detail));
  if (answer->status >= 400) {
    EXPECT_EQ(answer->fields.at("content-type"), "application/problem+json");
    EXPECT_THAT(answer->body, HasSubstr("\"status\":" + std::to_string(exchange.status)));
  }
  EXPECT_EQ(answer->fields.contains("allow"), exchange.status == 405 || exchange.status == 204);
  EXPECT_EQ(answer->fields.contains("retry-after"), exchange.status == 503);
  if (exchange.closes) {
    EXPECT_EQ(answer->fields.at("connection"), "close");
    EXPECT_TRUE(client.closed());
  } else {
    client.send(kGet42);
    const auto next = client.read_answer();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->body, kJson42);
  }
}

// The same, byte by byte: where the packets end must not matter.
TEST_P(ExchangeTest, HasItsAnswerByteByByte) {
  const Exchange& exchange = GetParam();
  if (exchange.request.size() > 2'000) return;  // the other test has it
  start();
  auto client = connect();
  for (const char byte : exchange.request) {
    if (!client.send(std::string_view(&byte, 1))) break;  // answered and closed already
  }
  const auto answer = client.read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, exchange.status) << answer->body;
  EXPECT_EQ(answer->fields.contains("connection") && answer->fields.at("connection") == "close",
            exchange.closes);
}

const std::vector<Exchange> kExchanges = {
    {"product", get("/product/42"), 200, false, "Lamp"},
    {"absent", get("/product/43"), 404, false, "no product"},
    {"wrong_id", get("/product/abc"), 400, false, "decimal"},
    {"id_too_large", get("/product/9223372036854775808"), 400, false, "largest"},
    {"leading_zero", get("/product/042"), 400, false, "leading zeros"},
    {"other_path", get("/"), 404, false, "nothing here"},
    {"trailing_slash", get("/product/42/"), 404, false, "nothing here"},
    {"query", get("/product/42?x=1"), 200, false, "Lamp"},
    {"percent", get("/product/%34%32"), 200, false, "Lamp"},
    {"absolute", get("http://x/product/42"), 200, false, "Lamp"},
    {"post", "POST /product/42 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 405, false,
     "GET"},
    {"post_chunked",
     "POST /product/42 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\n{}\r\n1;a=b\r\nx\r\n0\r\nTrailer: y\r\n\r\n",
     405, false, "GET"},
    {"delete", "DELETE /product/42 HTTP/1.1\r\nHost: x\r\n\r\n", 405, false, "GET"},
    {"made_up_method", "FROB /product/42 HTTP/1.1\r\nHost: x\r\n\r\n", 405, false, "GET"},
    {"connect", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, false, "not a path"},
    {"options", "OPTIONS /product/42 HTTP/1.1\r\nHost: x\r\n\r\n", 204, false, ""},
    {"options_all", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204, false, ""},
    {"asked_to_close", get("/product/42", "Connection: close\r\n"), 200, true, "Lamp"},
    {"version_1_0", "GET /product/42 HTTP/1.0\r\n\r\n", 200, true, "Lamp"},
    {"version_1_0_stays", "GET /product/42 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false,
     "Lamp"},
    {"empty_lines_first", "\r\n\r\n" + get("/product/42"), 200, false, "Lamp"},
    {"empty_host", "GET /product/42 HTTP/1.1\r\nHost:\r\n\r\n", 200, false, "Lamp"},
    {"small_body_with_get", get("/product/42", "Content-Length: 5\r\n") + "hello", 200, false,
     "Lamp"},
    {"same_length_twice", get("/product/42", "Content-Length: 2\r\nContent-Length: 2\r\n") + "ab",
     200, false, "Lamp"},
    {"folded_field", get("/product/42", "A: b\r\n c\r\n"), 200, false, "Lamp"},

    {"no_host", "GET /product/42 HTTP/1.1\r\n\r\n", 400, true, "Host"},
    {"two_hosts", get("/product/42", "Host: y\r\n"), 400, true, "Host"},
    {"host_with_a_space", "GET /product/42 HTTP/1.1\r\nHost: a b\r\n\r\n", 400, true, "Host"},
    {"host_with_a_path", "GET /product/42 HTTP/1.1\r\nHost: x/y\r\n\r\n", 400, true, "Host"},
    {"bare_carriage_return", "GET /product/42 HTTP/1.1\rHost: x\r\r", 400, true, "well-formed"},
    {"bare_line_feed_in_chunks",
     get("/product/42", "Transfer-Encoding: chunked\r\n") + "5\nhello\n0\n\n", 400, true,
     "well-formed"},
    {"nonsense", "nonsense\r\n\r\n", 400, true, "well-formed"},
    {"tls", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 400, true,
     "well-formed"},
    {"http_0_9", "GET /product/42\r\n", 400, true, "well-formed"},
    {"bare_line_feeds", "GET /product/42 HTTP/1.1\nHost: x\n\n", 400, true, "well-formed"},
    {"http_2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, true, "HTTP/1.1"},
    {"version_1_2", "GET /product/42 HTTP/1.2\r\nHost: x\r\n\r\n", 505, true, "HTTP/1.1"},
    {"version_none", "GET /product/42 HTTP/x.y\r\nHost: x\r\n\r\n", 400, true, "well-formed"},
    {"space_in_target", "GET /product/4 2 HTTP/1.1\r\nHost: x\r\n\r\n", 400, true, "well-formed"},
    {"control_in_target", "GET /product/\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400, true,
     "well-formed"},
    {"nul_in_field", get("/product/42", std::string_view("A: b\0c\r\n", 8)), 400, true,
     "well-formed"},
    {"space_before_colon", get("/product/42", "A : b\r\n"), 400, true, "well-formed"},
    {"nameless_field", get("/product/42", ": b\r\n"), 400, true, "well-formed"},
    {"line_without_colon", get("/product/42", "what\r\n"), 400, true, "well-formed"},
    {"bad_line_end", "GET /product/42 HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n", 400, true,
     "well-formed"},

    {"length_and_chunked",
     get("/product/42", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400, true, ""},
    {"chunked_and_length",
     get("/product/42", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400, true, ""},
    {"different_lengths", get("/product/42", "Content-Length: 5\r\nContent-Length: 6\r\n"), 400,
     true, ""},
    {"negative_length", get("/product/42", "Content-Length: -1\r\n"), 400, true, ""},
    {"odd_length", get("/product/42", "Content-Length: 5x\r\n"), 400, true, ""},
    {"huge_length", get("/product/42", "Content-Length: 99999999999999999999\r\n"), 400, true, ""},
    {"unknown_coding", get("/product/42", "Transfer-Encoding: gzip\r\n"), 400, true, "chunked"},
    {"coding_after_chunked", get("/product/42", "Transfer-Encoding: chunked, identity\r\n"), 400,
     true, "chunked"},
    {"hidden_chunked", get("/product/42", "Transfer-Encoding: xchunked\r\n"), 400, true, "chunked"},
    {"coding_in_1_0", "GET /product/42 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, true, "chunked"},
    {"bad_chunk", get("/product/42", "Transfer-Encoding: chunked\r\n") + "zz\r\n", 400, true, ""},
    {"unknown_expectation", get("/product/42", "Expect: a miracle\r\n"), 417, true, "100-continue"},

    {"body_too_large", get("/product/42", "Content-Length: 1025\r\n"), 413, true, "body"},
    {"chunk_too_large", get("/product/42", "Transfer-Encoding: chunked\r\n") + "401\r\n", 413, true,
     "body"},
    {"chunks_too_large",
     get("/product/42", "Transfer-Encoding: chunked\r\n") + "200\r\n" + std::string(512, 'x') +
         "\r\n201\r\n",
     413, true, "body"},
    {"endless_chunk_extension",
     get("/product/42", "Transfer-Encoding: chunked\r\n") + "1;" + std::string(9'000, 'x'), 413,
     true, "body"},
    {"target_too_long", get("/product/" + std::string(2'040, '1')), 414, true, "target"},
    {"endless_target", "GET /product/" + std::string(9'000, '1'), 414, true, "target"},
    {"field_too_long", get("/product/42", "A: " + std::string(9'000, 'x') + "\r\n"), 431, true,
     "header"},
    {"endless_empty_lines", std::string(9'000, '\r'), 400, true, ""},
};

INSTANTIATE_TEST_SUITE_P(Server, ExchangeTest, ::testing::ValuesIn(kExchanges),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace dataflow::http
