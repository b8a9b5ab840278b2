// Goal: names and pages come through unharmed, in one order, and a listing that makes no sense
// ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "dataflow/s3/fetch_testing.h"

namespace dataflow::s3 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;

class ListingTest : public FetchTest {};

TEST_F(ListingTest, KeysWithEveryCharacterComeThroughListingAndRequest) {
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

TEST_F(ListingTest, APageWithoutEncodingIsTakenAsItIs) {
  CannedServer server(
      [&](const Request&) { return answer(200, "", page("", {{"a+b%2B&amp;", ""}})); });
  FetchService fetch(options_for(server.url()));
  const auto objects = list_all(fetch, "s3://bucket/a").value();
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0], (Object{"s3://bucket/a+b%2B&", 3, ""}));
}

TEST_F(ListingTest, EtagsWithAndWithoutQuotesAreTheSameAndWeakOnesNone) {
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

TEST_F(ListingTest, TheNextPageIsUnderWayWhileOneIsWorkedOn) {
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

TEST_F(ListingTest, AListingMayGoWithAPageUnderWay) {
  CannedServer server([&](const Request& request) {
    if (request.number > 1) return Answer{"", Answer::End::kStall};
    return answer(200, "", page("", {{"a", "1"}}, true));
  });
  FetchService fetch(options_for(server.url()));
  auto listing = run(fetch.list("s3://bucket/")).value();
  EXPECT_TRUE(eventually([&] { return server.requests() == 2; }));
  listing.reset();
}

TEST_F(ListingTest, AnExactKeyIsThatObjectAlone) {
  CannedServer server([&](const Request&) {
    return answer(200, "", page("", {{"p.jsonl", "1"}, {"p.jsonl.bak", "1"}}));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/p.jsonl")), ElementsAre("s3://bucket/p.jsonl"));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/p.js")),
              ElementsAre("s3://bucket/p.jsonl", "s3://bucket/p.jsonl.bak"));
}

TEST_F(ListingTest, FolderMarkersAreNoObjectsAndMakeAnEmptyFolder) {
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

TEST_F(ListingTest, AKeyThatLooksLikeAPatternAndIsThereWins) {
  CannedServer server([&](const Request& request) {
    if (request.method == "HEAD") return object_answer(request, "abc", kEtag);
    return answer(200, "", page("", {{"p1", "1"}, {"p2", "1"}}));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/p[12]")), ElementsAre("s3://bucket/p[12]"));
}

TEST_F(ListingTest, AnotherOrderInsideAPageIsPutRightAndAcrossPagesRefused) {
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

TEST_F(ListingTest, ATruncatedPageWithoutKeysDoesNotGoOnForEver) {
  CannedServer server([&](const Request&) { return answer(200, "", page("", {}, true)); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(list_all(fetch, "s3://bucket/").error().code, ErrorCode::kInvalid);
}

// Each page brings another key than the one before, and none that is asked for.
TEST_F(ListingTest, PagesThatAlternateDoNotGoOnForEver) {
  constexpr int kEnough = 50;  // requests, for a listing that would
  CannedServer server([&](const Request& request) {
    if (request.method == "HEAD") return error_answer(404, "");
    const bool odd = request.number % 2 == 1;
    return answer(200, "", page("", {{odd ? "x1" : "x0", "1"}}, request.number < kEnough));
  });
  FetchService fetch(options_for(server.url()));
  const auto objects = list_all(fetch, "s3://bucket/p*");
  ASSERT_FALSE(objects);
  EXPECT_EQ(objects.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(objects.error().describe(), HasSubstr("x0 after x1"));
}

// As stores answer that have many deleted keys to pass over.
TEST_F(ListingTest, APageWithoutKeysIsGoneOnFromWhereItsTokenSays) {
  CannedServer server([&](const Request& request) {
    if (request.target.find("continuation-token=a%2Fb%20%3D") != std::string::npos) {
      EXPECT_EQ(request.target.find("start-after"), std::string::npos);
      return answer(200, "", page("", {{"b", "1"}}, true, "unused"));
    }
    EXPECT_EQ(request.target.find("continuation-token"), std::string::npos);
    if (request.target.find("start-after=b") != std::string::npos) {
      return answer(200, "", page("", {{"c", "1"}}));
    }
    const bool begins = request.target.find("start-after") == std::string::npos;
    if (begins) return answer(200, "", page("", {{"a", "1"}}, true, "unused"));
    return answer(200, "", page("", {}, true, "a/b ="));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://bucket/")),
              ElementsAre("s3://bucket/a", "s3://bucket/b", "s3://bucket/c"));
}

TEST_F(ListingTest, PagesWithoutKeysDoNotGoOnForEver) {
  CannedServer server([&](const Request&) { return answer(200, "", page("", {}, true, "again")); });
  FetchService fetch(options_for(server.url()));
  const auto objects = list_all(fetch, "s3://bucket/");
  ASSERT_FALSE(objects);
  EXPECT_EQ(objects.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(objects.error().describe(), HasSubstr("pages without keys"));
}

TEST_F(ListingTest, APageThatDoesNotEndIsNotTaken) {
  constexpr std::size_t kLimit = 16 << 20;
  CannedServer server([&](const Request&) {
    return answer(200, "", page("", {{"a", "1"}}) + std::string(kLimit, '\n'));
  });
  auto options = options_for(server.url());
  options.retries = 0;
  FetchService fetch(options);
  const auto objects = list_all(fetch, "s3://bucket/");
  ASSERT_FALSE(objects);
  EXPECT_EQ(objects.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(objects.error().describe(), HasSubstr("more than " + std::to_string(kLimit)));
}

TEST_F(ListingTest, WhatCannotBeAskedForIsInvalidAndNamed) {
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

TEST_F(ListingTest, EachBucketIsAskedForItself) {
  CannedServer server([&](const Request& request) {
    return answer(200, "", page("", {{request.target.starts_with("/one?") ? "1" : "2", "x"}}));
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_THAT(names_of(list_all(fetch, "s3://one")), ElementsAre("s3://one/1"));
  EXPECT_THAT(names_of(list_all(fetch, "s3://two")), ElementsAre("s3://two/2"));
}

}  // namespace
}  // namespace dataflow::s3
