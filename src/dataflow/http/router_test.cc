// Goal: every target and method has one answer, and the table from errors to statuses is complete.
#include "dataflow/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataflow/http/access_log.h"
#include "dataflow/http/problem.h"
#include "dataflow/http/product_handler.h"
#include "dataflow/http/response.h"

namespace dataflow::http {
namespace {

using boost::beast::http::verb;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Router, FindsTheProduct) {
  const std::vector<std::pair<std::string, ProductId>> cases = {
      {"/product/0", 0},
      {"/product/42", 42},
      {"/product/9223372036854775807", kMaxProductId},
      {"/product/42?a=b&c=/d", 42},
      {"/product/42?", 42},
      {"/product/%34%32", 42},
      {"/%70roduct/4%32", 42},
      {"http://example.org/product/42", 42},
      {"HTTPS://example.org:8080/product/42?x", 42},
  };
  for (const auto& [target, id] : cases) {
    for (const verb method : {verb::get, verb::head}) {
      const Route found = route(method, target);
      EXPECT_EQ(found.kind, Route::Kind::kProduct) << target << ": " << found.detail;
      EXPECT_EQ(found.id, id) << target;
    }
  }
}

TEST(Router, RefusesWhatIsNoProduct) {
  const std::vector<std::tuple<std::string, Status, std::string>> cases = {
      {"/", 404, "products are at /product/:id"},
      {"/product", 404, "nothing here"},
      {"/product/", 404, "nothing here"},
      {"/product/42/", 404, "nothing here"},
      {"/product/42/x", 404, "nothing here"},
      {"//product/42", 404, "nothing here"},
      {"/products/42", 404, "nothing here"},
      {"/Product/42", 404, "nothing here"},
      {"/product%2F42", 404, "nothing here"},
      {"/product?id=42", 404, "nothing here"},
      {"http://example.org", 404, "nothing here"},
      {"http://example.org?x/product/42", 404, "nothing here"},
      {"/product/abc", 400, "decimal digits"},
      {"/product/-1", 400, "decimal digits"},
      {"/product/+1", 400, "decimal digits"},
      {"/product/1.0", 400, "decimal digits"},
      {"/product/1e3", 400, "decimal digits"},
      {"/product/0x10", 400, "decimal digits"},
      {"/product/%20"
       "42",
       400, "decimal digits"},
      {"/product/42%00", 400, "decimal digits"},
      {"/product/4%2F2", 400, "decimal digits"},
      {"/product/42#x", 400, "decimal digits"},
      {"/product/\xd9\xa4\xd9\xa2", 400, "decimal digits"},
      {"/product/007", 400, "leading zeros"},
      {"/product/00", 400, "leading zeros"},
      {"/product/9223372036854775808", 400, "largest"},
      {"/product/18446744073709551658", 400, "largest"},
      {"/product/" + std::string(1'000, '9'), 400, "largest"},
      {"/product/%", 400, "percent"},
      {"/product/4%3", 400, "percent"},
      {"/product/%zz", 400, "percent"},
      {"/%/42", 400, "percent"},
      {"", 400, "not a path"},
      {"product/42", 400, "not a path"},
      {"*", 400, "not a path"},
      {"example.org:80", 400, "not a path"},
      {"http://", 400, "not a path"},
      {"http:///product/42", 400, "not a path"},
      {"ftp://example.org/product/42", 400, "not a path"},
  };
  for (const auto& [target, status, detail] : cases) {
    const Route found = route(verb::get, target);
    EXPECT_EQ(found.kind, Route::Kind::kProblem) << target;
    EXPECT_EQ(found.status, status) << target;
    EXPECT_THAT(std::string(found.detail), HasSubstr(detail)) << target;
  }
}

TEST(Router, OtherMethods) {
  for (const verb method :
       {verb::post, verb::put, verb::delete_, verb::patch, verb::trace, verb::unknown}) {
    EXPECT_EQ(route(method, "/product/42").status, 405U);
    EXPECT_EQ(route(method, "/product/abc").status, 405U);
    EXPECT_EQ(route(method, "/other").status, 404U);
  }
  EXPECT_EQ(route(verb::options, "*").kind, Route::Kind::kOptions);
  EXPECT_EQ(route(verb::options, "/product/42").kind, Route::Kind::kOptions);
  EXPECT_EQ(route(verb::options, "/other").status, 404U);
  EXPECT_EQ(route(verb::connect, "example.org:80").status, 400U);
}

TEST(Problem, EveryCodeHasItsStatus) {
  EXPECT_EQ(status_of(ErrorCode::kInvalid), 400U);
  EXPECT_EQ(status_of(ErrorCode::kNotFound), 404U);
  EXPECT_EQ(status_of(ErrorCode::kUnavailable), 503U);
  EXPECT_EQ(status_of(ErrorCode::kUnauthorized), 403U);
  EXPECT_EQ(status_of(ErrorCode::kConflict), 409U);
  EXPECT_EQ(status_of(ErrorCode::kInternal), 500U);
}

TEST(Problem, IsJsonOfRfc9457) {
  std::string out;
  append_problem(out, 404, "no \"42\"");
  EXPECT_EQ(out, R"({"type":"about:blank","title":"Not Found","status":404,"detail":"no \"42\""})");
}

TEST(ProductHandler, EveryErrorOfTheStoreHasItsAnswerAndKeepsItsSecrets) {
  const std::vector<std::pair<ErrorCode, Status>> cases = {
      {ErrorCode::kInvalid, 503},      {ErrorCode::kNotFound, 404}, {ErrorCode::kUnavailable, 503},
      {ErrorCode::kUnauthorized, 503}, {ErrorCode::kConflict, 503}, {ErrorCode::kInternal, 500},
  };
  for (const auto& [code, status] : cases) {
    Response response;
    answer_product(fail(code, "role bob at 10.0.0.1 refused", "secret"), response);
    EXPECT_EQ(response.status, status) << to_string(code);
    EXPECT_EQ(response.content_type, kProblemJson);
    EXPECT_EQ(response.retry_after, status == 503) << to_string(code);
    EXPECT_THAT(response.body, Not(HasSubstr("10.0.0.1")));
    EXPECT_THAT(response.body, Not(HasSubstr("secret")));
    EXPECT_THAT(response.body, HasSubstr("\"status\":" + std::to_string(status)));
  }
}

TEST(ProductHandler, AnswersWithTheProductAndForgetsTheLastAnswer) {
  Response response;
  set_problem(response, 405, "no");
  EXPECT_TRUE(response.allow);
  answer_product(Product{1, "t", {}, {}, {}, {}, {}}, response);
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.content_type, kJson);
  EXPECT_FALSE(response.allow || response.retry_after);
  EXPECT_EQ(response.body.front(), '{');
  answer_route(route(verb::options, "*"), response);
  EXPECT_EQ(response.status, 204U);
  EXPECT_TRUE(response.body.empty());
}

TEST(Response, IsWrittenWithItsFields) {
  Response response;
  set_problem(response, 503, "x");
  const std::string length = std::to_string(response.body.size());
  const std::string head =
      "HTTP/1.1 503 Service Unavailable\r\nServer: dataflow\r\nDate: D\r\n"
      "Content-Type: application/problem+json\r\nContent-Length: " +
      length + "\r\nRetry-After: 7\r\nConnection: close\r\n\r\n";
  std::string out;
  append_response(out, response, false, After::kClose, "D", std::chrono::seconds(7));
  EXPECT_EQ(out, head + response.body);
  out.clear();
  append_response(out, response, true, After::kClose, "D", std::chrono::seconds(7));
  EXPECT_EQ(out, head);
  answer_route(route(verb::options, "*"), response);
  out.clear();
  append_response(out, response, false, After::kKeepAliveTold, "D", std::chrono::seconds(7));
  EXPECT_EQ(out,
            "HTTP/1.1 204 No Content\r\nServer: dataflow\r\nDate: D\r\n"
            "Allow: GET, HEAD, OPTIONS\r\nConnection: keep-alive\r\n\r\n");
}

TEST(Response, DatesAreHttpDates) {
  EXPECT_EQ(http_date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(AccessLog, LinesHaveTheirFieldsAndNoSurprises) {
  std::string out;
  append_access_line(out, "T",
                     {"192.0.2.7", "GET", "/product/42", 200, 312, std::chrono::microseconds(85)});
  EXPECT_EQ(out, "T 192.0.2.7 GET /product/42 200 312 85\n");
  out.clear();
  append_access_line(out, "T", {"", "", "", 400, 0, std::chrono::microseconds(1)});
  EXPECT_EQ(out, "T - - - 400 0 1\n");
  out.clear();
  append_access_line(out, "T", {"c", "GET", "/a b\n\\\xff", 404, 0, std::chrono::microseconds(1)});
  EXPECT_EQ(out, "T c GET /a\\x20b\\x0a\\x5c\\xff 404 0 1\n");
  out.clear();
  append_access_line(out, "T", {"c", "GET", std::string(600, 'x'), 404, 0, {}});
  EXPECT_EQ(out, "T c GET " + std::string(512, 'x') + "... 404 0 0\n");
  using std::chrono::milliseconds;
  EXPECT_EQ(access_time(std::chrono::system_clock::time_point(milliseconds(784'111'777'007))),
            "1994-11-06T08:49:37.007Z");
}

}  // namespace
}  // namespace dataflow::http
