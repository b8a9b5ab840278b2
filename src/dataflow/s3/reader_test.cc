// Goal: a reader delivers exactly one version of the object, in order and within the budget, or
// says that it is another one now.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/s3/fetch_testing.h"

namespace dataflow::s3 {
namespace {

using testing::HasSubstr;
using namespace testing_support;
using namespace std::chrono_literals;

class ReaderTest : public FetchTest {};

TEST_F(ReaderTest, ReadsRangesOfOneVersionInOrder) {
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

TEST_F(ReaderTest, ASmallObjectIsOneRequest) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, "small", kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(5)).value(), "small");
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(ReaderTest, AnExactNumberOfPartsHasNoEmptyOneAtTheEnd) {
  const std::string content = bytes_of(3000);
  CannedServer server(
      [&](const Request& request) { return object_answer(request, content, kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(content.size())).value(), content);
  EXPECT_EQ(server.requests(), 3);
}

TEST_F(ReaderTest, AnEmptyObjectIsAskedForAndReadAtOnce) {
  CannedServer server([&](const Request& request) { return object_answer(request, "", kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, object(0)).value(), "");
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(ReaderTest, AnEmptyObjectThatHasContentNowIsAConflict) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, "now", "\"two\""); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(run(fetch.open(object(0))).error().code, ErrorCode::kConflict);
}

TEST_F(ReaderTest, AnObjectOfUnknownSizeIsAskedForFirst) {
  CannedServer server(
      [&](const Request& request) { return object_answer(request, content_, kEtag); });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(read_object(fetch, {"s3://bucket/key", std::nullopt, ""}).value(), content_);
  EXPECT_EQ(run(fetch.open({"s3://bucket/key", std::nullopt, "\"other\":7"})).error().code,
            ErrorCode::kConflict);
}

TEST_F(ReaderTest, AVersionThatIsReplacedBetweenRangesIsAConflictAndStaysOne) {
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

TEST_F(ReaderTest, AStoreThatIgnoresIfMatchIsFoundOut) {
  CannedServer server([&](const Request& request) {
    Request without = request;
    without.headers.erase("if-match");
    return object_answer(without, content_, "\"two\"");
  });
  FetchService fetch(options_for(server.url()));
  EXPECT_EQ(run(fetch.open(object(content_.size()))).error().code, ErrorCode::kConflict);
}

TEST_F(ReaderTest, WithoutAnEtagAnotherSizeIsAConflict) {
  CannedServer server([&](const Request& request) { return object_answer(request, content_, ""); });
  FetchService fetch(options_for(server.url()));
  const Object listed{"s3://bucket/key", content_.size(), ""};
  EXPECT_EQ(read_object(fetch, listed).value(), content_);
  for (const std::uint64_t size : {content_.size() - 1, content_.size() + 1, std::size_t{10}}) {
    EXPECT_EQ(read_object(fetch, {listed.name, size, ""}).error().code, ErrorCode::kConflict)
        << size;
  }
}

TEST_F(ReaderTest, AVersionThatIsNoneIsInvalid) {
  FetchService fetch(options_for("http://127.0.0.1:1"));
  EXPECT_EQ(run(fetch.open({"s3://bucket/key", 5, "nonsense"})).error().code, ErrorCode::kInvalid);
}

TEST_F(ReaderTest, ManyReadersStayWithinTheBudgetAndNoneWaitsForAnother) {
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

TEST_F(ReaderTest, AReaderMayGoWithRangesUnderWay) {
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

// Which says what the bytes are compressed with, whatever else it was given.
TEST_F(ReaderTest, TheContentEncodingIsTheCoding) {
  std::mutex mutex;
  std::string encoding;
  CannedServer server([&](const Request& request) {
    Answer reply = object_answer(request, "abc", kEtag);
    const std::scoped_lock lock(mutex);
    reply.bytes.insert(reply.bytes.find("\r\n") + 2, "Content-Encoding: " + encoding + "\r\n");
    return reply;
  });
  FetchService fetch(options_for(server.url()));
  const auto opened = [&](const std::string& stored_with) {
    {
      const std::scoped_lock lock(mutex);
      encoding = stored_with;
    }
    return run(fetch.open(object(3)));
  };
  for (const auto& [stored_with, coding] :
       std::vector<std::pair<std::string, std::string>>{{"gzip", "gzip"},
                                                        {"X-GZIP", "gzip"},
                                                        {"aws-chunked,gzip", "gzip"},
                                                        {"zstd", "zstd"},
                                                        {"aws-chunked", ""},
                                                        {"identity", ""},
                                                        {"utf-8", ""},
                                                        {"", ""}}) {
    const auto reader = opened(stored_with);
    ASSERT_TRUE(reader.has_value()) << stored_with << ": " << reader.error().describe();
    EXPECT_EQ((*reader)->coding(), coding) << stored_with;
    EXPECT_EQ(read_all(**reader).value(), "abc");
  }
  for (const std::string unreadable : {"br", "gzip, gzip", "gzip, deflate"}) {
    const auto reader = opened(unreadable);
    ASSERT_FALSE(reader.has_value()) << unreadable;
    EXPECT_EQ(reader.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(reader.error().message, HasSubstr("Content-Encoding " + unreadable));
  }
}

}  // namespace
}  // namespace dataflow::s3
