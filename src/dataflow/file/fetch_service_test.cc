// Goal: a reader delivers exactly the version that was opened or an error with the right code;
// streams may wait without anybody waiting with them.
#include "dataflow/file/fetch_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "dataflow/file/test_support.h"

namespace dataflow::file {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace testing_support;
using namespace std::chrono_literals;

constexpr std::size_t kPiece = 4096;

class FetchServiceTest : public testing::Test {
 protected:
  Object object(const std::string& path) { return run(fetch_.stat(path)).value(); }

  const TemporaryFolder folder_;
  FetchService fetch_{Options{.io_threads = 2}};
};

TEST_F(FetchServiceTest, ListsAndReadsAFolder) {
  folder_.put("a.jsonl", "first");
  folder_.put("b.jsonl", "second");
  const auto objects = list_all(fetch_, folder_.path()).value();
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(read_object(fetch_, objects[0]).value(), "first");
  EXPECT_EQ(read_object(fetch_, objects[1]).value(), "second");
}

TEST_F(FetchServiceTest, AnEmptyFolderEndsAtOnce) {
  EXPECT_THAT(list_all(fetch_, folder_.path()).value(), IsEmpty());
}

TEST_F(FetchServiceTest, ErrorsOfListAndStatComeThrough) {
  EXPECT_EQ(run(fetch_.list(folder_ / "nothing")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(run(fetch_.list("")).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(run(fetch_.stat(folder_ / "nothing")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(run(fetch_.stat(folder_.path())).error().code, ErrorCode::kInvalid);
  EXPECT_THAT(run(fetch_.stat(folder_.path())).error().message, HasSubstr("folder"));
}

TEST_F(FetchServiceTest, ReadsEverySizeWithEveryBufferByteForByte) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kPiece - 1, kPiece, kPiece + 1, 5 * kPiece, 100'000UL}) {
    const std::string content = bytes_of(size);
    const std::string path = folder_.put("p.jsonl", content);
    for (const std::size_t buffer : {7UL, kPiece - 1, kPiece, 3 * kPiece}) {
      EXPECT_TRUE(read_object(fetch_, object(path), buffer).value() == content)
          << size << " by " << buffer;
    }
  }
}

TEST_F(FetchServiceTest, ReadsALargeFileByteForByte) {
  const std::string content = bytes_of(30'000'000);
  const std::string path = folder_.put("p.jsonl", content);
  FetchService fetch;
  EXPECT_TRUE(read_object(fetch, object(path)).value() == content);
}

TEST_F(FetchServiceTest, AFileThatChangedBeforeItIsOpenedIsAConflict) {
  const std::string path = folder_.put("p.jsonl", "one");
  const Object listed = object(path);
  touch(path, 1'700'000'000, 1);
  auto error = run(fetch_.open(listed)).error();
  EXPECT_EQ(error.code, ErrorCode::kConflict);
  EXPECT_THAT(error.message, HasSubstr(path));
  const Object again = object(path);
  folder_.put("p.jsonl", "longer");
  touch(path, 1'700'000'000, 1);
  EXPECT_EQ(run(fetch_.open(again)).error().code, ErrorCode::kConflict);
  std::filesystem::remove(path);
  EXPECT_EQ(run(fetch_.open(again)).error().code, ErrorCode::kNotFound);
  std::filesystem::create_directory(path);
  EXPECT_EQ(run(fetch_.open(again)).error().code, ErrorCode::kInvalid);
  std::filesystem::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(run(fetch_.open(again)).error().code, ErrorCode::kConflict);
}

TEST_F(FetchServiceTest, WithoutAVersionWhatIsThereIsRead) {
  const std::string path = folder_.put("p.jsonl", "one");
  EXPECT_EQ(read_object(fetch_, {path, std::nullopt, ""}).value(), "one");
}

struct Change {
  std::string name;
  std::function<void(const std::string&)> make;
};

class ChangeTest : public FetchServiceTest, public testing::WithParamInterface<Change> {};

TEST_P(ChangeTest, WhileItIsReadIsAConflictAndStaysOne) {
  const std::string content = bytes_of(10 * kPiece);
  const std::string path = folder_.put("p.jsonl", content);
  touch(path, 1'700'000'000, 1);
  auto reader = run(fetch_.open(object(path))).value();
  std::vector<char> buffer(kPiece);
  ASSERT_EQ(run(reader->read(buffer)).value(), kPiece);
  GetParam().make(path);
  const auto rest = read_all(*reader);
  ASSERT_FALSE(rest.has_value());
  EXPECT_EQ(rest.error().code, ErrorCode::kConflict);
  EXPECT_THAT(rest.error().message, HasSubstr(path));
  EXPECT_EQ(run(reader->read(buffer)).error().code, ErrorCode::kConflict);
}

INSTANTIATE_TEST_SUITE_P(Changes, ChangeTest,
                         testing::Values(Change{"Grown",
                                                [](const std::string& path) {
                                                  std::ofstream(path, std::ios::app) << "more";
                                                }},
                                         Change{"Truncated",
                                                [](const std::string& path) {
                                                  std::filesystem::resize_file(path, 5000);
                                                }},
                                         Change{"Overwritten",
                                                [](const std::string& path) {
                                                  std::fstream(path, std::ios::in | std::ios::out)
                                                      << "other";
                                                  touch(path, 1'700'000'000, 2);
                                                }}),
                         [](const auto& each) { return each.param.name; });

TEST_F(FetchServiceTest, AFileThatIsReplacedOrRemovedIsReadToTheEndOfItsVersion) {
  const std::string content = bytes_of(10 * kPiece);
  const std::string path = folder_.put("p.jsonl", content);
  for (const bool replaced : {true, false}) {
    auto reader = run(fetch_.open(object(path))).value();
    if (replaced) {
      std::filesystem::rename(folder_.put("new", content), path);
    } else {
      std::filesystem::remove(path);
    }
    EXPECT_TRUE(read_all(*reader).value() == content);
  }
}

TEST_F(FetchServiceTest, AReaderMayGoUnreadAndOutliveTheService) {
  const std::string content = bytes_of(100 * kPiece);
  const std::string path = folder_.put("p.jsonl", content);
  const Object listed = object(path);
  for (int i = 0; i < 100; ++i) run(fetch_.open(listed)).value().reset();
  auto fetch = std::make_unique<FetchService>();
  auto reader = run(fetch->open(listed)).value();
  fetch.reset();
  EXPECT_TRUE(read_all(*reader).value() == content);
}

TEST_F(FetchServiceTest, APipeIsAStreamWithoutSizeAndVersion) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const Object pipe{path, std::nullopt, ""};
  EXPECT_THAT(list_all(fetch_, path).value(), ElementsAre(pipe));
  // Opened before there is a writer.
  auto reader = run(fetch_.open(pipe)).value();
  const std::string content = bytes_of(1'000'000);
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << content; });
  EXPECT_TRUE(read_all(*reader).value() == content);
  writer.join();
}

TEST_F(FetchServiceTest, StreamsThatWaitHoldUpNeitherEachOtherNorFiles) {
  std::vector<std::unique_ptr<dataflow::Reader>> readers;
  std::vector<std::future<Result<std::string>>> reads;
  for (int i = 0; i < 8; ++i) {
    const std::string path = folder_ / std::to_string(i);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    readers.push_back(run(fetch_.open(object(path))).value());
    reads.push_back(start(rest_of(*readers.back(), 100)));
  }
  EXPECT_EQ(read_object(fetch_, object(folder_.put("p.jsonl", "file"))).value(), "file");
  for (int i = 8; i-- > 0;) {
    std::ofstream(folder_ / std::to_string(i)) << i;
    EXPECT_EQ(reads[static_cast<std::size_t>(i)].get().value(), std::to_string(i));
  }
}

TEST_F(FetchServiceTest, AReadThatWaitsForAStreamEndsWithTheService) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  auto fetch = std::make_unique<FetchService>();
  auto reader = run(fetch->open({path, std::nullopt, ""})).value();
  auto read = start(rest_of(*reader, 100));
  EXPECT_EQ(read.wait_for(0s), std::future_status::timeout);
  fetch.reset();
  EXPECT_EQ(read.get().error().code, ErrorCode::kUnavailable);
}

// Standard input is another one until it is destroyed.
class StandardInput {
 public:
  explicit StandardInput(int replacement) : before_(::dup(STDIN_FILENO)) {
    if (replacement < 0) {
      ::close(STDIN_FILENO);
    } else {
      ::dup2(replacement, STDIN_FILENO);
      ::close(replacement);
    }
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;
  ~StandardInput() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

TEST_F(FetchServiceTest, StandardInputIsReadFromAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const StandardInput input(ends[0]);
  const auto objects = list_all(fetch_, "-").value();
  ASSERT_THAT(objects, ElementsAre(Object{"-", std::nullopt, ""}));
  EXPECT_EQ(run(fetch_.stat("-")).value(), objects[0]);
  auto reader = run(fetch_.open(objects[0])).value();
  auto read = start(rest_of(*reader, 100));
  ASSERT_EQ(::write(ends[1], "line 1\n", 7), 7);
  ASSERT_EQ(::write(ends[1], "line 2", 6), 6);
  ::close(ends[1]);
  EXPECT_EQ(read.get().value(), "line 1\nline 2");
}

TEST_F(FetchServiceTest, StandardInputIsReadFromAFileToo) {
  const std::string content = bytes_of(300'000);
  const StandardInput input(::open(folder_.put("p.jsonl", content).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(read_object(fetch_, {"-", std::nullopt, ""}).value() == content);
}

TEST_F(FetchServiceTest, StandardInputThatIsClosedIsInvalid) {
  const StandardInput input(-1);
  const auto error = read_object(fetch_, {"-", std::nullopt, ""}).error();
  EXPECT_EQ(error.code, ErrorCode::kInvalid);
  EXPECT_THAT(error.message, HasSubstr("standard input"));
}

TEST_F(FetchServiceTest, ADeviceIsAStream) {
  EXPECT_EQ(read_object(fetch_, object("/dev/null")).value(), "");
}

}  // namespace
}  // namespace dataflow::file
