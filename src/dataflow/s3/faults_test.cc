// Goal: whatever the server does (half answers, none, errors, another range), a range is asked for
// again where that helps, and otherwise the error has the right code and says what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <set>

#include "dataflow/s3/fetch_testing.h"

namespace dataflow::s3 {
namespace {

using testing::HasSubstr;
using namespace testing_support;

class FaultsTest : public FetchTest {};

// Faults of the first request for each range.
struct Fault {
  std::string name;
  std::function<Answer(const Request&, const std::string&)> answer;
  bool stalls = false;
};

class FaultTest : public FetchTest, public testing::WithParamInterface<Fault> {
 protected:
  Options options_for(const std::string& endpoint) const {
    Options options = FetchTest::options_for(endpoint);
    if (GetParam().stalls) options.request_timeout = kStallTimeout;
    return options;
  }
};

TEST_P(FaultTest, IsMendedByAskingForThatRangeAgain) {
  std::mutex mutex;
  std::set<std::string> seen;
  CannedServer server([&](const Request& request) {
    const std::scoped_lock lock(mutex);
    if (seen.insert(request.headers.at("range")).second)
      return GetParam().answer(request, content_);
    return object_answer(request, content_, kEtag);
  });
  FetchService fetch(options_for(server.url()));
  const auto all = read_object(fetch, object(content_.size()));
  ASSERT_TRUE(all.has_value()) << all.error().describe();
  EXPECT_EQ(*all, content_);
  EXPECT_EQ(server.requests(), 22);
}

TEST_P(FaultTest, ThatDoesNotEndIsUnavailableAfterTheRetries) {
  CannedServer server([&](const Request& request) { return GetParam().answer(request, content_); });
  Options options = options_for(server.url());
  options.retries = 2;
  options.parts_per_object = 1;
  FetchService fetch(options);
  const auto error = run(fetch.open(object(content_.size()))).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
  EXPECT_THAT(error.message, HasSubstr("s3://bucket/key"));
  EXPECT_THAT(error.message, HasSubstr("3 times"));
  EXPECT_EQ(server.requests(), 3);
}

Answer half(const Request& request, const std::string& content) {
  Answer answer = object_answer(request, content, kEtag);
  answer.bytes.resize(answer.bytes.size() - 250);
  return answer;
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultTest,
    testing::Values(
        Fault{"CutOff",
              [](const Request& request, const std::string& content) {
                Answer answer = half(request, content);
                answer.end = Answer::End::kClose;
                return answer;
              }},
        Fault{"StalledInTheBody",
              [](const Request& request, const std::string& content) {
                Answer answer = half(request, content);
                answer.end = Answer::End::kStall;
                return answer;
              },
              true},
        Fault{"NoAnswerAtAll",
              [](const Request&, const std::string&) { return Answer{"", Answer::End::kStall}; },
              true},
        Fault{"ClosedWithoutAnAnswer",
              [](const Request&, const std::string&) { return Answer{"", Answer::End::kClose}; }},
        Fault{"SlowDown",
              [](const Request&, const std::string&) { return error_answer(503, "SlowDown"); }},
        Fault{
            "InternalError",
            [](const Request&, const std::string&) { return error_answer(500, "InternalError"); }},
        Fault{"TooManyRequests",
              [](const Request&, const std::string&) { return answer(429, "", ""); }},
        Fault{
            "RequestTimeout",
            [](const Request&, const std::string&) { return error_answer(400, "RequestTimeout"); }},
        Fault{"AnotherRangeThanAskedFor",
              [](const Request&, const std::string& content) {
                return answer(206, "Content-Range: bytes 7-1006/10500\r\nETag: \"one\"\r\n",
                              content.substr(7, 1000));
              }},
        Fault{"NoContentRange",
              [](const Request&, const std::string& content) {
                return answer(206, "", content.substr(0, 1000));
              }},
        Fault{"TheWholeObject",
              [](const Request&, const std::string& content) { return answer(200, "", content); }}),
    [](const auto& each) { return each.param.name; });

struct Refusal {
  int status;
  std::string code;
  ErrorCode expected;
  std::string says;
};

class RefusalTest : public FetchTest, public testing::WithParamInterface<Refusal> {};

TEST_P(RefusalTest, HasItsCodeAndSaysWhatToDo) {
  CannedServer server(
      [&](const Request&) { return error_answer(GetParam().status, GetParam().code); });
  Options options = options_for(server.url());
  options.retries = 0;
  options.parts_per_object = 1;
  FetchService fetch(options);
  const auto error = run(fetch.open(object(content_.size()))).error();
  EXPECT_EQ(error.code, GetParam().expected) << error.describe();
  EXPECT_THAT(error.message, HasSubstr(GetParam().says));
  EXPECT_THAT(error.cause, HasSubstr(GetParam().code));
  EXPECT_EQ(server.requests(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Refusals, RefusalTest,
    testing::Values(
        Refusal{404, "NoSuchKey", ErrorCode::kNotFound, "s3://bucket/key does not exist"},
        Refusal{404, "NoSuchBucket", ErrorCode::kNotFound, "no S3 bucket \"bucket\""},
        Refusal{403, "AccessDenied", ErrorCode::kUnauthorized, "s3://bucket/key"},
        Refusal{403, "InvalidAccessKeyId", ErrorCode::kUnauthorized, "AWS_ACCESS_KEY_ID"},
        Refusal{403, "SignatureDoesNotMatch", ErrorCode::kUnauthorized, "AWS_SECRET_ACCESS_KEY"},
        Refusal{403, "RequestTimeTooSkewed", ErrorCode::kUnauthorized, "clock"},
        Refusal{400, "ExpiredToken", ErrorCode::kUnauthorized, "AWS_SESSION_TOKEN"},
        Refusal{401, "Unauthorized", ErrorCode::kUnauthorized, "s3://bucket/key"},
        Refusal{403, "InvalidObjectState", ErrorCode::kInvalid, "archived"},
        Refusal{400, "AuthorizationHeaderMalformed", ErrorCode::kInvalid, "AWS_S3_REGION"},
        Refusal{301, "PermanentRedirect", ErrorCode::kInvalid, "AWS_S3_REGION"},
        Refusal{400, "InvalidArgument", ErrorCode::kInvalid, "s3://bucket/key"},
        Refusal{501, "NotImplemented", ErrorCode::kInvalid, "s3://bucket/key"},
        Refusal{412, "PreconditionFailed", ErrorCode::kConflict, "s3://bucket/key has changed"},
        Refusal{416, "InvalidRange", ErrorCode::kConflict, "s3://bucket/key has changed"},
        Refusal{503, "SlowDown", ErrorCode::kUnavailable, "s3://bucket/key"}),
    [](const auto& each) { return each.param.code; });

TEST_F(FaultsTest, TheWrongRegionIsAnsweredWithTheRightOne) {
  CannedServer server(
      [&](const Request&) { return answer(301, "x-amz-bucket-region: us-west-2\r\n", ""); });
  FetchService fetch(options_for(server.url()));
  const auto error = run(fetch.list("s3://bucket/")).error();
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_THAT(error.message,
              HasSubstr("not in region eu-central-1: set AWS_S3_REGION to us-west-2"));
}

}  // namespace
}  // namespace dataflow::s3
