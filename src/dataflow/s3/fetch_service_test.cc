// Goal: whatever the server does (half answers, none, errors, another version), a reader delivers
// exactly one version of the object or an error with the right code; names and pages come through
// unharmed.
#include "dataflow/s3/fetch_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

#include "dataflow/s3/canned_server.h"
#include "dataflow/s3/test_support.h"

namespace dataflow::s3 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;
using namespace std::chrono_literals;

constexpr const char* kEtag = "\"one\"";

class FetchServiceTest : public testing::Test {
 protected:
  // Small and quick.
  Options options_for(const std::string& endpoint) const {
    Options options;
    options.endpoint = endpoint;
    options.region = "eu-central-1";
    options.connect_timeout = 2s;
    options.request_timeout = 300ms;
    options.retries = 3;
    options.retry_timeout = 20s;
    options.part_bytes = 1000;
    options.parts_per_object = 4;
    return options;
  }

  Object object(std::uint64_t size, const std::string& key = "key") const {
    return {"s3://bucket/" + key, size, std::string(kEtag) + ":" + std::to_string(size)};
  }

  Environment environment_{
      {{"AWS_ACCESS_KEY_ID", "test"}, {"AWS_SECRET_ACCESS_KEY", "testsecret"}}};
  const std::string content_ = bytes_of(10'500);
};

TEST_F(FetchServiceTest, ReadsRangesOfOneVersionInOrder) {
  std::atomic<int> without_etag = 0;
  CannedServer server([&](const Request& request) {
    if (request.headers.find("if-match") == request.headers.end()) ++without_etag;
    return object_answer(request, content_, kEtag);
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(content_.size())).value(), content_);
  EXPECT_EQ(server.requests(), 11);
  EXPECT_EQ(without_etag, 0);
}

TEST_F(FetchServiceTest, ASmallObjectIsOneRequest) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, "small", kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(5)).value(), "small");
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(FetchServiceTest, AnExactNumberOfPartsHasNoEmptyOneAtTheEnd) {
  const std::string content = bytes_of(3000);
  CannedServer server(
      [&](const Request& request) { return object_answer(request, content, kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(content.size())).value(), content);
  EXPECT_EQ(server.requests(), 3);
}

TEST_F(FetchServiceTest, AnEmptyObjectIsAskedForAndReadAtOnce) {
  CannedServer server([&](const Request& request) { return object_answer(request, "", kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(0)).value(), "");
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(FetchServiceTest, AnEmptyObjectThatHasContentNowIsAConflict) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, "now", "\"two\""); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(run(fetch.open(object(0))).error().code, ErrorCode::kConflict);
}

TEST_F(FetchServiceTest, AnObjectOfUnknownSizeIsAskedForFirst) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, content_, kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, {"s3://bucket/key", std::nullopt, ""}).value(), content_);
  EXPECT_EQ(run(fetch.open({"s3://bucket/key", std::nullopt, "\"other\":7"})).error().code,
            ErrorCode::kConflict);
}

// Faults of the first request for each range.
struct Fault {
  std::string name;
  std::function<Answer(const Request&, const std::string&)> answer;
};

class FaultTest : public FetchServiceTest, public testing::WithParamInterface<Fault> {};

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
              }},
        Fault{"NoAnswerAtAll",
              [](const Request&, const std::string&) { return Answer{"", Answer::End::kStall}; }},
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

class RefusalTest : public FetchServiceTest, public testing::WithParamInterface<Refusal> {};

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

TEST_F(FetchServiceTest, TheWrongRegionIsAnsweredWithTheRightOne) {
  CannedServer server(
      [&](const Request&) { return answer(301, "x-amz-bucket-region: us-west-2\r\n", ""); });
  FetchService fetch(options_for(server.url()));
  const auto error = run(fetch.list("s3://bucket/")).error();
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_THAT(error.message,
              HasSubstr("not in region eu-central-1: set AWS_S3_REGION to us-west-2"));
}

TEST_F(FetchServiceTest, AVersionThatIsReplacedBetweenRangesIsAConflictAndStaysOne) {
  CannedServer server([&](const Request& request) {
    const bool first = request.headers.at("range") == "bytes=0-999";
    return object_answer(request, content_, first ? kEtag : "\"two\"");
  });
  FetchService fetch(options_for(server.url()));
  auto reader = run(fetch.open(object(content_.size()))).value();
  std::vector<char> buffer(1000);
  EXPECT_EQ(run(reader->read(buffer)).value(), 1000U);
  EXPECT_EQ(run(reader->read(buffer)).error().code, ErrorCode::kConflict);
  EXPECT_EQ(run(reader->read(buffer)).error().code, ErrorCode::kConflict);
}

TEST_F(FetchServiceTest, AStoreThatIgnoresIfMatchIsFoundOut) {
  CannedServer server([&](const Request& request) {
    Request without = request;
    without.headers.erase("if-match");
    return object_answer(without, content_, "\"two\"");
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(run(fetch.open(object(content_.size()))).error().code, ErrorCode::kConflict);
}

TEST_F(FetchServiceTest, WithoutAnEtagAnotherSizeIsAConflict) {
  CannedServer server([&](const Request& request) { return object_answer(request, content_, ""); });
  FetchService fetch(options_for(server.url()));
  const Object listed{"s3://bucket/key", content_.size(), ""};
  EXPECT_EQ(read_object(fetch, listed).value(), content_);
  for (const std::uint64_t size : {content_.size() - 1, content_.size() + 1, std::size_t{10}}) {
    EXPECT_EQ(read_object(fetch, {listed.name, size, ""}).error().code, ErrorCode::kConflict)
        << size;
  }
}

TEST_F(FetchServiceTest, AVersionThatIsNoneIsInvalid) {
  FetchService fetch(options_for("http://127.0.0.1:1"));
  EXPECT_EQ(run(fetch.open({"s3://bucket/key", 5, "nonsense"})).error().code, ErrorCode::kInvalid);
}

TEST_F(FetchServiceTest, ManyReadersStayWithinTheBudgetAndNoneWaitsForAnother) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, content_, kEtag); });
  Options options = options_for(server.url());
  options.max_buffered_bytes = 5000;
  FetchService fetch(options);
  std::vector<std::unique_ptr<dataflow::Reader>> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(run(fetch.open(object(content_.size()))).value());
  EXPECT_LE(fetch.buffered_bytes(), 5000U + 8 * 1000U);
  // The last first: those before it hold the budget.
  while (!readers.empty()) {
    EXPECT_EQ(read_all(*readers.back()).value(), content_);
    readers.pop_back();
    EXPECT_LE(fetch.buffered_bytes(), 5000U + 8 * 1000U);
  }
  EXPECT_TRUE(eventually([&] { return fetch.buffered_bytes() == 0; }));
}

TEST_F(FetchServiceTest, AReaderMayGoWithRangesUnderWay) {
  std::mutex mutex;
  std::condition_variable change;
  bool release = false;
  int waiting = 0;
  CannedServer server([&](const Request& request) {
    std::unique_lock lock(mutex);
    if (request.headers.at("range") != "bytes=0-999") {
      ++waiting;
      change.notify_all();
      change.wait(lock, [&] { return release; });
    }
    return object_answer(request, content_, kEtag);
  });
  Options options = options_for(server.url());
  options.request_timeout = 20s;
  auto fetch = std::make_unique<FetchService>(options);
  auto reader = run(fetch->open(object(content_.size()))).value();
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(change.wait_for(lock, 20s, [&] { return waiting == 3; }));
  }
  reader.reset();
  EXPECT_TRUE(eventually([&] { return fetch->buffered_bytes() == 3000; }));
  {
    const std::scoped_lock lock(mutex);
    release = true;
  }
  change.notify_all();
  EXPECT_TRUE(eventually([&] { return fetch->buffered_bytes() == 0; }));
}

using Keys = std::vector<std::pair<std::string, std::string>>;  // and ETags

std::string page(const std::string& encoding, const Keys& keys, bool more = false) {
  std::string xml = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>";
  xml += more ? "true" : "false";
  xml += "</IsTruncated>";
  if (!encoding.empty()) xml += "<EncodingType>" + encoding + "</EncodingType>";
  for (const auto& [key, etag] : keys) {
    xml += "<Contents><Key>" + key + "</Key><Size>3</Size>";
    if (!etag.empty()) xml += "<ETag>" + etag + "</ETag>";
    xml += "</Contents>";
  }
  return xml + "</ListBucketResult>";
}

TEST_F(FetchServiceTest, KeysWithEveryCharacterComeThroughListingAndRequest) {
  std::mutex mutex;
  std::set<std::string> targets;
  CannedServer server([&](const Request& request) {
    if (request.target.find("list-type") != std::string::npos) {
      return answer(200, "",
                    page("url", {{"%01ctl", "&quot;one&quot;"},
                                 {"/leading", "&quot;one&quot;"},
                                 {"a//b", "&quot;one&quot;"},
                                 {"a+b%2B%25%23%3F", "&quot;one&quot;"},
                                 {"%C3%BC", "&quot;one&quot;"}}));
    }
    const std::scoped_lock lock(mutex);
    targets.insert(request.target);
    return object_answer(request, "abc", kEtag);
  });
  FetchService fetch(options_for(server.url()));
  const auto objects = list_all(fetch, "s3://bucket");
  EXPECT_THAT(names_of(objects), ElementsAre("s3://bucket/\x01"
                                             "ctl",
                                             "s3://bucket//leading", "s3://bucket/a b+%#?",
                                             "s3://bucket/a//b", "s3://bucket/\xC3\xBC"));
  for (const auto& object : *objects)
    EXPECT_EQ(read_object(fetch, object).value(), "abc") << object.name;
  EXPECT_THAT(targets, ElementsAre("/bucket/%01ctl", "/bucket/%C3%BC", "/bucket//leading",
                                   "/bucket/a%20b%2B%25%23%3F", "/bucket/a//b"));
}

TEST_F(FetchServiceTest, APageWithoutEncodingIsTakenAsItIs) {
  CannedServer server(
      [&](const Request&) { return answer(200, "", page("", {{"a+b%2B&amp;", ""}})); });
  FetchService fetch(options_for(server.url()));
  const auto objects = list_all(fetch, "s3://bucket/a").value();
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0], (Object{"s3://bucket/a+b%2B&", 3, ""}));
}

TEST_F(FetchServiceTest, EtagsWithAndWithoutQuotesAreTheSameAndWeakOnesNone) {
  CannedServer server([&](const Request&) {
    return answer(200, "",
                  page("", {{"a", "&quot;x&quot;"}, {"b", "x"}, {"c", "W/&quot;x&quot;"}}));
  });
  FetchService fetch(options_for(server.url()));
  const auto objects = list_all(fetch, "s3://bucket/").value();
  ASSERT_EQ(objects.size(), 3U);
  EXPECT_EQ(objects[0].version, "\"x\":3");
  EXPECT_EQ(objects[1].version, "\"x\":3");
  EXPECT_EQ(objects[2].version, "");
}

TEST_F(FetchServiceTest, TheNextPageIsUnderWayWhileOneIsWorkedOn) {
  CannedServer server([&](const Request& request) {
    if (request.target.find("start-after=b") != std::string::npos) {
      return answer(200, "", page("", {{"c", "1"}, {"d", "1"}}));
    }
    return answer(200, "", page("", {{"a", "1"}, {"b", "1"}}, true));
  });
  FetchService fetch(options_for(server.url()));
  auto listing = run(fetch.list("s3://bucket/")).value();
  EXPECT_TRUE(eventually([&] { return server.requests() == 2; }));
  EXPECT_THAT(names_of(run(rest_of(*listing))),
              ElementsAre("s3://bucket/a", "s3://bucket/b", "s3://bucket/c", "s3://bucket/d"));
}

TEST_F(FetchServiceTest, AListingMayGoWithAPageUnderWay) {
  CannedServer server([&](const Request& request) {
    if (request.number > 1) return Answer{"", Answer::End::kStall};
    return answer(200, "", page("", {{"a", "1"}}, true));
  });
  FetchService fetch(options_for(server.url()));
  auto listing = run(fetch.list("s3://bucket/")).value();
  EXPECT_TRUE(eventually([&] { return server.requests() == 2; }));
  listing.reset();
}

TEST_F(FetchServiceTest, AnExactKeyIsThatObjectAlone) {
  CannedServer server([&](const Request&) {
    return answer(200, "", page("", {{"p.jsonl", "1"}, {"p.jsonl.bak", "1"}}));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/p.jsonl")), ElementsAre("s3://bucket/p.jsonl"));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/p.js")),
              ElementsAre("s3://bucket/p.jsonl", "s3://bucket/p.jsonl.bak"));
}

TEST_F(FetchServiceTest, FolderMarkersAreNoObjectsAndMakeAnEmptyFolder) {
  CannedServer server([&](const Request& request) {
    if (request.method == "HEAD") return error_answer(404, "");
    const bool all = request.target.find("prefix") == std::string::npos;
    const bool nothing = request.target.find("nothing") != std::string::npos;
    const std::string marker = nothing ? "" : "<Contents><Key>folder/</Key></Contents>";
    std::string xml = page("", all ? Keys{{"a", "1"}, {"zero/", "1"}} : Keys{});
    return answer(200, "", xml.insert(xml.rfind("</"), marker));
  });
  FetchService fetch(options_for(server.url()));
  // "zero/" has three bytes: whatever it is, it is no marker.
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/")),
              ElementsAre("s3://bucket/a", "s3://bucket/zero/"));
  EXPECT_THAT(list_all(fetch, "s3://bucket/folder/").value(), testing::IsEmpty());
  EXPECT_THAT(list_all(fetch, "s3://bucket/fold").value(), testing::IsEmpty());
  EXPECT_EQ(list_all(fetch, "s3://bucket/nothing/").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(list_all(fetch, "s3://bucket/fold*").error().code, ErrorCode::kNotFound);
}

TEST_F(FetchServiceTest, AKeyThatLooksLikeAPatternAndIsThereWins) {
  CannedServer server([&](const Request& request) {
    if (request.method == "HEAD") return object_answer(request, "abc", kEtag);
    return answer(200, "", page("", {{"p1", "1"}, {"p2", "1"}}));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/p[12]")), ElementsAre("s3://bucket/p[12]"));
}

TEST_F(FetchServiceTest, AnotherOrderInsideAPageIsPutRightAndAcrossPagesRefused) {
  std::atomic<bool> across = false;
  CannedServer server([&](const Request& request) {
    if (!across) return answer(200, "", page("", {{"b", "1"}, {"a", "1"}}));
    if (request.target.find("start-after") != std::string::npos) {
      return answer(200, "", page("", {{"a", "1"}}));
    }
    return answer(200, "", page("", {{"b", "1"}}, true));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/")),
              ElementsAre("s3://bucket/a", "s3://bucket/b"));
  across = true;
  EXPECT_EQ(list_all(fetch, "s3://bucket/").error().code, ErrorCode::kInvalid);
}

TEST_F(FetchServiceTest, ATruncatedPageWithoutKeysDoesNotGoOnForEver) {
  CannedServer server([&](const Request&) { return answer(200, "", page("", {}, true)); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(list_all(fetch, "s3://bucket/").error().code, ErrorCode::kInvalid);
}

TEST_F(FetchServiceTest, AServerThatIsNotS3IsUnavailable) {
  CannedServer server([&](const Request&) { return answer(200, "", "<html><p>Welcome</html>"); });
  Options options = options_for(server.url());
  options.retries = 1;
  FetchService fetch(options);
  const auto error = run(fetch.list("s3://bucket/")).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("does not answer as S3 does"));
}

TEST_F(FetchServiceTest, WhatCannotBeAskedForIsInvalidAndNamed) {
  FetchService fetch(options_for("http://127.0.0.1:1"));
  for (const std::string key : {"a/../b", "..", "./a", "a/."}) {
    const auto error = run(fetch.open(object(3, key))).error();
    EXPECT_EQ(error.code, ErrorCode::kInvalid) << key;
    EXPECT_THAT(error.message, HasSubstr("s3://bucket/" + key));
  }
  EXPECT_EQ(run(fetch.stat("s3://bucket/\xFF")).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(run(fetch.open(object(3, "\xFF"))).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(run(fetch.list("s3://bucket/\xFF")).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(run(fetch.stat("s3://bucket/")).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(run(fetch.open({"s3://bucket", 3, ""})).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(run(fetch.list("file.jsonl")).error().code, ErrorCode::kInvalid);
}

TEST_F(FetchServiceTest, EachBucketIsAskedForItself) {
  CannedServer server([&](const Request& request) {
    return answer(200, "", page("", {{request.target.starts_with("/one?") ? "1" : "2", "x"}}));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://one")), ElementsAre("s3://one/1"));
  EXPECT_THAT(names_of(list_all(fetch, "s3://two")), ElementsAre("s3://two/2"));
}

TEST_F(FetchServiceTest, AnEndpointWhereNobodyListensIsUnavailableWithinBounds) {
  Options options = options_for("http://127.0.0.1:1");
  options.retry_timeout = 500ms;
  FetchService fetch(options);
  const auto begin = std::chrono::steady_clock::now();
  const auto error = run(fetch.list("s3://bucket/")).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("http://127.0.0.1:1"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(FetchServiceTest, AnEndpointThatIsNoneIsInvalidAndNamed) {
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

TEST_F(FetchServiceTest, WithoutCredentialsItSaysWithinSecondsWhichVariablesToSet) {
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

TEST_F(FetchServiceTest, TheEnvironmentGivesEndpointRegionAndCredentials) {
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
