// Goal: who gives credentials may fail for a while in the middle of a load; who never gave any is
// told at once (client_test.cc).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "dataflow/s3/fetch_testing.h"

namespace dataflow::s3 {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace testing_support;
using namespace std::chrono_literals;

// A container's server of credentials that ends them soon: so they are asked for again and again.
class CredentialsTest : public FetchTest {
 protected:
  CredentialsTest() { std::ofstream(token_file_) << "authorization"; }
  ~CredentialsTest() override { std::filesystem::remove(token_file_); }

  static Answer credentials(const std::string& token) {
    const auto soon = std::chrono::system_clock::now() + 1min;
    const std::time_t time = std::chrono::system_clock::to_time_t(soon);
    char expiration[32];
    std::strftime(expiration, sizeof expiration, "%FT%TZ", std::gmtime(&time));
    return answer(200, "",
                  R"({"AccessKeyId":"id","SecretAccessKey":"secret","Token":")" + token +
                      R"(","Expiration":")" + expiration + "\"}");
  }

  // Success has none.
  static Error error_of(const auto& result) { return result ? Error{} : result.error(); }

  static constexpr const char* kPath = "0f1e2d3c-guid";

  std::map<std::string, std::string> variables() const {
    return {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", giver_.url() + "/" + kPath},
            {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file_}};
  }

  const std::string token_file_ =
      std::filesystem::temp_directory_path() / ("dataflow-token-" + std::to_string(::getpid()));
  std::atomic<bool> gives_ = true;
  std::atomic<int> refused_ = 0;
  std::atomic<const char*> token_ = "first";
  CannedServer giver_{[this](const Request&) {
    if (gives_) return credentials(token_.load());
    ++refused_;
    return answer(500, "", "a hiccup");
  }};
};

TEST_F(CredentialsTest, WhatWasGivenIsUsedWhileNobodyGivesMore) {
  CannedServer server([](const Request& request) {
    EXPECT_EQ(request.headers.at("x-amz-security-token"), "first");
    return answer(200, "", page("", {{"a", "1"}}));
  });
  const Environment environment(variables());
  FetchService fetch(options_for(server.url()));
  ASSERT_TRUE(list_all(fetch, "s3://bucket/").has_value());
  gives_ = false;
  // Until it was asked for more, and refused, more than once.
  while (refused_ < 4) {
    const auto listed = list_all(fetch, "s3://bucket/");
    ASSERT_TRUE(listed.has_value()) << listed.error().describe();
  }
}

TEST_F(CredentialsTest, WhereWhatWasGivenHasExpiredItIsTriedAgainUntilThereIsMore) {
  std::atomic<bool> expired = false;
  CannedServer server([&](const Request& request) {
    const std::string token = request.headers.at("x-amz-security-token");
    if (expired && token == "first") {
      // The answer to a HEAD has no words.
      if (request.method == "HEAD") return Answer{"HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n"};
      if (refused_ > 1) {
        token_ = "second";
        gives_ = true;
      }
      return error_answer(400, "ExpiredToken");
    }
    if (request.method == "HEAD") return object_answer(request, content_, kEtag);
    return answer(200, "", page("", {{"a", "1"}}));
  });
  const Environment environment(variables());
  Options options = options_for(server.url());
  options.retries = 100;
  FetchService fetch(options);
  ASSERT_TRUE(list_all(fetch, "s3://bucket/").has_value());
  gives_ = false;
  // From here on what was given is asked for again, in vain.
  while (refused_ == 0) ASSERT_TRUE(list_all(fetch, "s3://bucket/").has_value());
  expired = true;
  const auto listed = list_all(fetch, "s3://bucket/");
  ASSERT_TRUE(listed.has_value()) << listed.error().describe();
  EXPECT_EQ(token_.load(), std::string("second"));
}

TEST_F(CredentialsTest, WhereTheyHaveExpiredAndNobodyGivesMoreIsUnavailable) {
  std::atomic<bool> expired = false;
  CannedServer server([&](const Request& request) {
    if (!expired) return answer(200, "", page("", {{"a", "1"}}));
    if (request.method == "HEAD") return Answer{"HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n"};
    return error_answer(400, "ExpiredToken");
  });
  const Environment environment(variables());
  Options options = options_for(server.url());
  options.retries = 1;
  FetchService fetch(options);
  ASSERT_TRUE(list_all(fetch, "s3://bucket/").has_value());
  gives_ = false;
  while (refused_ == 0) ASSERT_TRUE(list_all(fetch, "s3://bucket/").has_value());
  expired = true;
  for (const auto& error :
       {error_of(run(fetch.list("s3://bucket/"))), error_of(run(fetch.stat("s3://bucket/a")))}) {
    EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
    EXPECT_THAT(error.message, HasSubstr("credentials"));
    EXPECT_THAT(error.describe(), HasSubstr("500"));
    EXPECT_THAT(error.describe(), Not(HasSubstr("secret")));
    EXPECT_THAT(error.describe(), Not(HasSubstr(kPath))) << "who knows it is given credentials";
  }
}

TEST_F(CredentialsTest, WhereNobodyEverGaveAnyIsUnauthorizedAtOnce) {
  gives_ = false;
  const Environment environment(variables());
  FetchService fetch(options_for("http://127.0.0.1:1"));
  const Error error = error_of(run(fetch.list("s3://bucket/")));
  EXPECT_EQ(error.code, ErrorCode::kUnauthorized) << error.describe();
  EXPECT_THAT(error.describe(), Not(HasSubstr(kPath)));
  EXPECT_THAT(error.describe(), HasSubstr(giver_.url())) << "which server that was";
  EXPECT_LE(refused_, 2);
}

}  // namespace
}  // namespace dataflow::s3
