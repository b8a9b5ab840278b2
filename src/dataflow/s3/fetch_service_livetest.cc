// Goal: against a real S3 endpoint, listing, reading and every way in which an object changes
// behave as the domain's contract says. Objects are put by curl, so that no code of ours stands on
// both sides.
#include "dataflow/s3/fetch_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "dataflow/s3/test_support.h"

namespace dataflow::s3 {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace testing_support;
using namespace std::chrono_literals;

constexpr std::size_t kPart = 64 * 1024;
constexpr const char* kVariables[] = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID",
                                      "AWS_SECRET_ACCESS_KEY", "AWS_S3_REGION"};
// The SHA-256 of nothing.
constexpr const char* kEmptyHash =
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string percent_encoded(const std::string& key) {
  std::string encoded;
  for (const char c : key) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-._~/").contains(c)) {
      encoded += c;
    } else {
      constexpr const char* kDigits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kDigits[byte / 16];
      encoded += kDigits[byte % 16];
    }
  }
  return encoded;
}

// A bucket of its own, with curl for everything that writes.
class Bucket {
 public:
  Bucket()
      : name_("dataflow-s3-" + std::to_string(getpid()) + "-" +
              std::to_string(std::chrono::steady_clock::now().time_since_epoch().count() %
                             1'000'000'000)),
        file_(std::filesystem::temp_directory_path() / name_) {
    send({"--request", "PUT", "--header", kEmptyHash, url("")});
  }
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;

  ~Bucket() {
    for (const auto& key : keys_) remove(key);
    for (const auto& urls : many_) send({"--request", "DELETE", "--header", kEmptyHash, urls});
    send({"--request", "DELETE", "--header", kEmptyHash, url("")});
    std::filesystem::remove(file_);
  }

  std::string name(const std::string& key) const { return "s3://" + name_ + "/" + key; }

  void put(const std::string& key, const std::string& content) {
    upload(content, url(percent_encoded(key)));
    keys_.insert(key);
  }

  // prefix0000 up to count - 1, in one run of curl.
  void put_many(const std::string& prefix, int count) {
    many_.push_back(url(prefix + "[0000-" + std::to_string(count - 1) + "]"));
    upload("x", many_.back());
  }

  static std::string numbered(const std::string& prefix, int number) {
    const std::string digits = std::to_string(number);
    return prefix + std::string(4 - digits.size(), '0') + digits;
  }

  // An empty object with "/" at the end, as consoles make it.
  void put_marker(const std::string& key) {
    send({"--globoff", "--request", "PUT", "--header", kEmptyHash, "--header", "Content-Length: 0",
          url(percent_encoded(key))});
    keys_.insert(key);
  }

  void remove(const std::string& key) {
    send({"--globoff", "--request", "DELETE", "--header", kEmptyHash, url(percent_encoded(key))});
  }

 private:
  std::string url(const std::string& path) const {
    return variable("AWS_ENDPOINT_URL") + "/" + name_ + (path.empty() ? "" : "/" + path);
  }

  void upload(const std::string& content, const std::string& to) {
    std::ofstream(file_, std::ios::binary) << content;
    send({"--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "--upload-file", file_.string(),
          to});
  }

  static void send(std::vector<std::string> arguments) {
    std::vector<std::string> all = {"curl", "--silent", "--fail", "--noproxy", "*", "--path-as-is"};
    all.insert(all.end(), {"--output", "/dev/null", "--aws-sigv4",
                           "aws:amz:" + variable("AWS_S3_REGION") + ":s3"});
    all.insert(all.end(),
               {"--user", variable("AWS_ACCESS_KEY_ID") + ":" + variable("AWS_SECRET_ACCESS_KEY")});
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> raw;
    raw.reserve(all.size() + 1);
    for (auto& argument : all) raw.push_back(argument.data());
    raw.push_back(nullptr);
    pid_t child = 0;
    int status = 0;
    ASSERT_EQ(posix_spawnp(&child, "curl", nullptr, nullptr, raw.data(), environ), 0)
        << "curl is needed";
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "curl failed on " << all.back();
  }

  std::string name_;
  std::filesystem::path file_;
  std::set<std::string> keys_;
  std::vector<std::string> many_;
};

class FetchServiceLive : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const char* name : kVariables) {
      ASSERT_FALSE(variable(name).empty())
          << name << " is not set: start a server with scripts/servers.sh start s3";
    }
    bucket_ = std::make_unique<Bucket>();
  }
  static void TearDownTestSuite() { bucket_.reset(); }

  void SetUp() override { ASSERT_TRUE(bucket_); }

  static Options small_parts() {
    Options options;
    options.part_bytes = kPart;
    return options;
  }

  static std::unique_ptr<Bucket> bucket_;
  FetchService fetch_{small_parts()};
};

std::unique_ptr<Bucket> FetchServiceLive::bucket_;

TEST_F(FetchServiceLive, ListsMoreThanAPageInByteOrder) {
  constexpr int kObjects = 1105;
  bucket_->put_many("page/", kObjects);
  std::vector<std::string> expected;
  for (int i = 0; i < kObjects; ++i)
    expected.push_back(bucket_->name(Bucket::numbered("page/", i)));
  EXPECT_EQ(names_of(list_all(fetch_, bucket_->name("page/"))), expected);
  expected.erase(expected.begin(), expected.begin() + 1100);
  EXPECT_EQ(names_of(list_all(fetch_, bucket_->name("page/110"))), expected);
  EXPECT_EQ(names_of(list_all(fetch_, bucket_->name("page/1[1-9]0?"))), expected);
}

TEST_F(FetchServiceLive, SourcesArePrefixesExactKeysAndPatterns) {
  for (const char* key :
       {"shop/products-1.jsonl", "shop/products-1.jsonl.bak", "shop/products-2.jsonl",
        "shop/old/products-1.jsonl", "shop/old/er/products-1.jsonl"}) {
    bucket_->put(key, "{}\n");
  }
  const auto listed = [&](const std::string& key) {
    return names_of(list_all(fetch_, bucket_->name(key)));
  };
  const auto name = [&](const std::string& key) { return bucket_->name("shop/" + key); };
  EXPECT_THAT(listed("shop/products-1.jsonl"), ElementsAre(name("products-1.jsonl")));
  EXPECT_THAT(listed("shop/products-1.json"),
              ElementsAre(name("products-1.jsonl"), name("products-1.jsonl.bak")));
  EXPECT_THAT(listed("shop/products-*.jsonl"),
              ElementsAre(name("products-1.jsonl"), name("products-2.jsonl")));
  EXPECT_THAT(listed("shop/**/*-1.jsonl"),
              ElementsAre(name("old/er/products-1.jsonl"), name("old/products-1.jsonl"),
                          name("products-1.jsonl")));
  EXPECT_THAT(listed("shop/*/*"), ElementsAre(name("old/products-1.jsonl")));
}

TEST_F(FetchServiceLive, AVersionChangesWithTheContentAndOnlyThen) {
  bucket_->put("version", "one");
  const auto first = run(fetch_.stat(bucket_->name("version"))).value();
  EXPECT_EQ(first.size, 3U);
  EXPECT_THAT(first.version, HasSubstr(":3"));
  EXPECT_THAT(list_all(fetch_, bucket_->name("version")).value(), ElementsAre(first));
  bucket_->put("version", "two");
  EXPECT_NE(run(fetch_.stat(first.name)).value().version, first.version);
  bucket_->put("version", "one");
  EXPECT_EQ(run(fetch_.stat(first.name)).value(), first);
}

TEST_F(FetchServiceLive, WhatIsNotThereIsNotFoundAndNamed) {
  EXPECT_EQ(list_all(fetch_, bucket_->name("nothing/")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(list_all(fetch_, bucket_->name("nothing*")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(run(fetch_.stat(bucket_->name("nothing"))).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(run(fetch_.open({bucket_->name("nothing"), 3, "\"x\":3"})).error().code,
            ErrorCode::kNotFound);
  const auto error = list_all(fetch_, "s3://dataflow-no-such-bucket/").error();
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("dataflow-no-such-bucket"));
}

TEST_F(FetchServiceLive, AnEmptyBucketAndAFolderWithItsMarkerOnlyAreEmpty) {
  Bucket empty;
  EXPECT_THAT(list_all(fetch_, empty.name("")).value(), IsEmpty());
  empty.put_marker("folder/");
  EXPECT_THAT(list_all(fetch_, empty.name("")).value(), IsEmpty());
  EXPECT_THAT(list_all(fetch_, empty.name("folder/")).value(), IsEmpty());
  EXPECT_EQ(list_all(fetch_, empty.name("folder/*")).error().code, ErrorCode::kNotFound);
}

// Its name is a pattern, too, which says nothing of what is in the folder.
TEST_F(FetchServiceLive, AFolderOfAnyNameStandsForWhatIsInIt) {
  for (const std::string folder : {"any [2024]/", "any *?/"}) {
    bucket_->put(folder + "p.jsonl", "{}\n");
    EXPECT_THAT(names_of(list_all(fetch_, bucket_->name(folder))),
                ElementsAre(bucket_->name(folder + "p.jsonl")));
    bucket_->put_marker(folder);
    EXPECT_THAT(names_of(list_all(fetch_, bucket_->name(folder))),
                ElementsAre(bucket_->name(folder + "p.jsonl")));
    bucket_->remove(folder + "p.jsonl");
    EXPECT_THAT(list_all(fetch_, bucket_->name(folder)).value(), IsEmpty());
  }
  EXPECT_EQ(list_all(fetch_, bucket_->name("any x*/")).error().code, ErrorCode::kNotFound);
}

TEST_F(FetchServiceLive, WrongCredentialsAreUnauthorized) {
  bucket_->put("secret", "x");
  const std::map<std::string, std::string> right = {
      {"AWS_ENDPOINT_URL", variable("AWS_ENDPOINT_URL")},
      {"AWS_ACCESS_KEY_ID", variable("AWS_ACCESS_KEY_ID")},
      {"AWS_SECRET_ACCESS_KEY", variable("AWS_SECRET_ACCESS_KEY")}};
  for (const char* wrong : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
    auto variables = right;
    variables[wrong] = "not-this-one";
    const Environment environment(variables);
    FetchService fetch;
    const auto error = list_all(fetch, bucket_->name("")).error();
    EXPECT_EQ(error.code, ErrorCode::kUnauthorized) << error.describe();
    EXPECT_THAT(error.message, HasSubstr("AWS_ACCESS_KEY_ID"));
    EXPECT_THAT(error.describe(), testing::Not(HasSubstr("not-this-one")));
    EXPECT_EQ(run(fetch.stat(bucket_->name("secret"))).error().code, ErrorCode::kUnauthorized);
  }
}

TEST_F(FetchServiceLive, ReadsEverySizeByteForByte) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kPart - 1, kPart, kPart + 1, 7 * kPart}) {
    const std::string content = bytes_of(size);
    bucket_->put("size", content);
    const auto object = run(fetch_.stat(bucket_->name("size"))).value();
    const auto read = read_object(fetch_, object);
    ASSERT_TRUE(read.has_value()) << size << ": " << read.error().describe();
    EXPECT_TRUE(*read == content) << size;
  }
}

TEST_F(FetchServiceLive, ReadsALargeObjectByteForByte) {
  const std::string content = bytes_of(30'000'000);
  bucket_->put("large", content);
  FetchService fetch;
  const auto objects = list_all(fetch, bucket_->name("large")).value();
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_TRUE(read_object(fetch, objects[0]).value() == content);
  EXPECT_TRUE(eventually([&] { return fetch.buffered_bytes() == 0; }));
}

TEST_F(FetchServiceLive, AnObjectThatIsReplacedBeforeItIsOpenedIsAConflict) {
  bucket_->put("replaced", "one");
  const auto listed = list_all(fetch_, bucket_->name("replaced")).value().at(0);
  bucket_->put("replaced", "two");
  const auto error = run(fetch_.open(listed)).error();
  EXPECT_EQ(error.code, ErrorCode::kConflict);
  EXPECT_THAT(error.message, HasSubstr(listed.name));
}

TEST_F(FetchServiceLive, AnObjectThatIsReplacedOrDeletedWhileItIsReadIsNeverMixed) {
  const std::string content = bytes_of(20 * kPart);
  for (const bool deleted : {false, true}) {
    bucket_->put("changing", content);
    const auto listed = run(fetch_.stat(bucket_->name("changing"))).value();
    auto reader = run(fetch_.open(listed)).value();
    if (deleted) {
      bucket_->remove("changing");
    } else {
      bucket_->put("changing", std::string(content.size(), 'x'));
    }
    // What was asked for before is still delivered.
    std::string got;
    std::vector<char> buffer(kPart);
    auto count = run(reader->read(buffer));
    for (; count && *count > 0; count = run(reader->read(buffer)))
      got.append(buffer.data(), *count);
    ASSERT_FALSE(count.has_value());
    EXPECT_EQ(count.error().code, deleted ? ErrorCode::kNotFound : ErrorCode::kConflict);
    EXPECT_LT(got.size(), content.size());
    EXPECT_TRUE(content.starts_with(got));
    EXPECT_EQ(run(fetch_.open(listed)).error().code,
              deleted ? ErrorCode::kNotFound : ErrorCode::kConflict);
  }
}

// What a store over a file system can hold; the others are in fetch_service_test.cc.
TEST_F(FetchServiceLive, OddKeysAreListedAndRead) {
  std::vector<std::string> keys = {
      "plain",    "with space",       " begin",    "plus+",     "percent%25",
      "hash#",    "question?",        "star*",     "[bracket]", "quote'\"",
      "amp&<>",   "back\\slash",      "new\nline", "\x01",      "\x7F",
      "\xC3\xBC", "\xF0\x9F\x98\x80", "=:@$,;!()", "a.b/c..d"};
  for (auto& key : keys) {
    key = "odd/" + key;
    bucket_->put(key, key);
  }
  std::ranges::sort(keys);
  const auto objects = list_all(fetch_, bucket_->name("odd/"));
  std::vector<std::string> names;
  for (const auto& key : keys) names.push_back(bucket_->name(key));
  ASSERT_THAT(names_of(objects), ElementsAreArray(names));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto read = read_object(fetch_, objects->at(i));
    ASSERT_TRUE(read.has_value()) << read.error().describe();
    EXPECT_EQ(*read, keys[i]);
    EXPECT_EQ(run(fetch_.stat(names[i])).value(), objects->at(i));
    EXPECT_THAT(list_all(fetch_, names[i]).value(), ElementsAre(objects->at(i)));
  }
}

TEST_F(FetchServiceLive, ReadersMayGoInTheMiddle) {
  const std::string content = bytes_of(40 * kPart);
  bucket_->put("abandoned", content);
  const auto object = run(fetch_.stat(bucket_->name("abandoned"))).value();
  for (int i = 0; i < 10; ++i) {
    auto reader = run(fetch_.open(object)).value();
    std::vector<char> buffer(kPart / 2);
    ASSERT_TRUE(run(reader->read(buffer)).has_value());
  }
  EXPECT_TRUE(eventually([&] { return fetch_.buffered_bytes() == 0; }));
  EXPECT_TRUE(read_object(fetch_, object).value() == content);
}

}  // namespace
}  // namespace dataflow::s3
