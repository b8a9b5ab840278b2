// Goal: endpoint, region and credentials are taken from options and environment, and what is wrong
// with them is said, and which variable to set.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>
#include <vector>

#include "dataflow/s3/fetch_testing.h"

namespace dataflow::s3 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;
using namespace std::chrono_literals;

class ClientTest : public FetchTest {};

TEST_F(ClientTest, AServerThatIsNotS3IsUnavailable) {
  CannedServer server([&](const Request&) { return answer(200, "", "<html><p>Welcome</html>"); });
  Options options = options_for(server.url());
  options.retries = 1;
  FetchService fetch(options);
  const auto error = run(fetch.list("s3://bucket/")).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("does not answer as S3 does"));
}

TEST_F(ClientTest, AnEndpointWhereNobodyListensIsUnavailableWithinBounds) {
  Options options = options_for("http://127.0.0.1:1");
  options.retry_timeout = 500ms;
  FetchService fetch(options);
  const auto begin = std::chrono::steady_clock::now();
  const auto error = run(fetch.list("s3://bucket/")).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("http://127.0.0.1:1"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(ClientTest, AnEndpointThatIsNoneIsInvalidAndNamed) {
  for (const std::string endpoint :
       {"127.0.0.1:7071", "ftp://host", "http://host:99999", "http://a b",
        "http://user:secret@host", "http://host/?query"}) {
    FetchService fetch(options_for(endpoint));
    const auto error = run(fetch.list("s3://bucket/")).error();
    EXPECT_EQ(error.code, ErrorCode::kInvalid) << endpoint;
    EXPECT_THAT(error.message, HasSubstr("endpoint"));
  }
}

// The metadata address is one where nobody listens, so that the test asks nobody outside.
const std::map<std::string, std::string> kNoMetadata = {
    {"AWS_METADATA_ENDPOINT", "http://127.0.0.1:1"}};

std::map<std::string, std::string> with(std::map<std::string, std::string> more) {
  more.insert(kNoMetadata.begin(), kNoMetadata.end());
  return more;
}

TEST_F(ClientTest, WithoutCredentialsItSaysWithinSecondsWhichVariablesToSet) {
  for (const auto& variables :
       {with({}), with({{"AWS_ACCESS_KEY_ID", ""}, {"AWS_SECRET_ACCESS_KEY", ""}}),
        with({{"AWS_ACCESS_KEY_ID", "only"}}), with({{"AWS_SECRET_ACCESS_KEY", "only"}}),
        with({{"AWS_ACCESS_KEY_ID", "line\nbreak"}, {"AWS_SECRET_ACCESS_KEY", "secret"}})}) {
    const Environment environment(variables);
    FetchService fetch(options_for("http://127.0.0.1:1"));
    const auto begin = std::chrono::steady_clock::now();
    const auto error = run(fetch.list("s3://bucket/")).error();
    EXPECT_EQ(error.code, ErrorCode::kUnauthorized) << error.describe();
    EXPECT_THAT(error.message, HasSubstr("AWS_ACCESS_KEY_ID"));
    EXPECT_EQ(error.describe().find("secret"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
  }
}

// Who is named there would get the request with its token.
TEST_F(ClientTest, ARedirectIsTheWrongRegionOrEndpointAndNotFollowed) {
  const Environment environment({{"AWS_ACCESS_KEY_ID", "test"},
                                 {"AWS_SECRET_ACCESS_KEY", "testsecret"},
                                 {"AWS_SESSION_TOKEN", "token"}});
  CannedServer other([](const Request&) { return answer(200, "", page("", {{"a", "1"}})); });
  for (const int status : {301, 302, 307, 308}) {
    for (const bool in_words : {true, false}) {
      CannedServer server([&](const Request& request) {
        Answer reply =
            in_words ? error_answer(status, "TemporaryRedirect") : answer(status, "", "");
        const auto line_end = reply.bytes.find("\r\n") + 2;
        reply.bytes.insert(line_end, "Location: " + other.url() + request.target + "\r\n");
        return reply;
      });
      FetchService fetch(options_for(server.url()));
      const auto listing = run(fetch.list("s3://bucket/"));
      ASSERT_FALSE(listing.has_value()) << status;
      const auto& error = listing.error();
      EXPECT_EQ(error.code, ErrorCode::kInvalid) << error.describe();
      EXPECT_THAT(error.message, HasSubstr(in_words ? "AWS_S3_REGION" : other.url()));
      EXPECT_EQ(server.requests(), 1);
    }
  }
  EXPECT_EQ(other.requests(), 0);
}

TEST_F(ClientTest, TheEnvironmentGivesEndpointRegionAndCredentials) {
  std::mutex mutex;
  std::vector<std::string> authorizations;
  std::vector<std::string> tokens;
  CannedServer server([&](const Request& request) {
    const std::scoped_lock lock(mutex);
    const auto authorization = request.headers.find("authorization");
    authorizations.push_back(authorization == request.headers.end() ? "" : authorization->second);
    const auto token = request.headers.find("x-amz-security-token");
    tokens.push_back(token == request.headers.end() ? "" : token->second);
    return answer(200, "", page("", {{"a", "1"}}));
  });
  const auto list_with = [&](std::map<std::string, std::string> variables) {
    variables["AWS_ENDPOINT_URL"] = server.url();
    const Environment environment(variables);
    FetchService fetch(Options{});
    EXPECT_TRUE(list_all(fetch, "s3://bucket/").has_value());
  };
  const std::map<std::string, std::string> keys = {{"AWS_ACCESS_KEY_ID", " id\n"},
                                                   {"AWS_SECRET_ACCESS_KEY", "secret"}};
  auto all = keys;
  all.insert({{"AWS_S3_REGION", "eu-north-1"},
              {"AWS_REGION", "eu-west-1"},
              {"AWS_SESSION_TOKEN", "token"}});
  list_with(all);
  auto standard = keys;
  standard.insert(
      {{"AWS_S3_REGION", ""}, {"AWS_REGION", "eu-west-1"}, {"AWS_DEFAULT_REGION", "eu-west-2"}});
  list_with(standard);
  list_with(keys);
  list_with({{"AWS_SKIP_SIGNATURE", "true"}});
  EXPECT_THAT(authorizations,
              ElementsAre(HasSubstr("Credential=id/"), HasSubstr("/eu-west-1/s3/aws4_request"),
                          HasSubstr("/us-east-1/s3/aws4_request"), ""));
  EXPECT_THAT(authorizations[0], HasSubstr("/eu-north-1/s3/aws4_request"));
  EXPECT_THAT(tokens, ElementsAre("token", "", "", ""));
}

}  // namespace
}  // namespace dataflow::s3
