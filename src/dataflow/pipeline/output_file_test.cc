// Goal: what has the name is there, whole, until a whole file takes it; two writers never mix; what
// is no file stays what it is.
#include "dataflow/pipeline/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "dataflow/mock/temp_dir.h"

namespace dataflow::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr OutputFile::Purpose kPurpose{"report", "-report"};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

std::size_t files(const std::string& folder) {
  const fs::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// Whole, and under the name that was asked for.
void finish(OutputFile& file) {
  const auto settled = file.settle();
  ASSERT_TRUE(settled) << settled.error().describe();
  ASSERT_TRUE(file.take_name(file.target()));
}

// Where the file system has files without a name, where it has none, and where such a file cannot
// be given one.
class OutputFileTest : public testing::TestWithParam<OutputFile::Nameless> {
 protected:
  std::unique_ptr<OutputFile> create(const std::string& path) {
    auto made = OutputFile::create(path, kPurpose, GetParam());
    if (made) return std::move(*made);
    ADD_FAILURE() << made.error().describe();
    return nullptr;
  }

  const mock::TempDir directory_;
  const std::string path_ = directory_ / "report.json";
};

INSTANTIATE_TEST_SUITE_P(FileSystems, OutputFileTest,
                         testing::Values(OutputFile::Nameless::kWherePossible,
                                         OutputFile::Nameless::kNever,
                                         OutputFile::Nameless::kForEver));

TEST_P(OutputFileTest, TakesItsNameWhenItIsWhole) {
  put(path_, "old");
  const auto file = create(path_);
  ASSERT_TRUE(file->write("ne"));
  ASSERT_TRUE(file->write_line("w"));
  ASSERT_TRUE(file->flush());
  EXPECT_EQ(content(path_), "old");
  finish(*file);
  EXPECT_EQ(content(path_), "new\n");
  EXPECT_EQ(files(directory_.path()), 1u);
}

TEST_P(OutputFileTest, WithoutItsNameNothingIsLeft) {
  put(path_, "old");
  for (const bool settled : {false, true}) {
    const auto file = create(path_);
    ASSERT_TRUE(file->write("new"));
    EXPECT_TRUE(!settled || file->settle());
  }
  EXPECT_EQ(content(path_), "old");
  EXPECT_EQ(files(directory_.path()), 1u);
}

// What it will replace may be secret.
TEST_P(OutputFileTest, ItTakesOverWhoMayReadWhatItReplaces) {
  for (const mode_t mode : {0600, 0640, 0666}) {
    put(path_, "old");
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    const auto file = create(path_);
    ASSERT_TRUE(file->write("new"));
    ASSERT_TRUE(file->flush());
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      if (entry.path() == path_) continue;
      EXPECT_EQ(mode_of(entry.path()), 0600U) << "not whole yet";
    }
    finish(*file);
    EXPECT_EQ(content(path_), "new");
    EXPECT_EQ(mode_of(path_), mode);
  }
}

TEST_P(OutputFileTest, ItBelongsToWhomWhatItReplacesBelonged) {
  constexpr uid_t kOwner = 4711;
  constexpr gid_t kGroup = 4712;
  put(path_, "old");
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  if (::chown(path_.c_str(), kOwner, kGroup) != 0) GTEST_SKIP() << "not root";
  const auto file = create(path_);
  ASSERT_TRUE(file->write("new"));
  finish(*file);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, kOwner);
  EXPECT_EQ(status.st_gid, kGroup);
  EXPECT_EQ(mode_of(path_), 0640U);
}

TEST_P(OutputFileTest, WhatReplacesNothingIsAsTheProcessMakesFiles) {
  const mode_t before = ::umask(027);
  const auto file = create(path_);
  EXPECT_TRUE(file->write("new"));
  finish(*file);
  ::umask(before);
  EXPECT_EQ(mode_of(path_), 0640U);
}

TEST_P(OutputFileTest, TheLongestNameIsNotTooLong) {
  const std::string path = directory_ / std::string(NAME_MAX, 'r');
  for (const bool there : {false, true}) {
    const auto file = create(path);
    ASSERT_TRUE(file->write(there ? "new" : "old"));
    finish(*file);
    EXPECT_EQ(content(path), there ? "new" : "old");
  }
  const auto made = OutputFile::create(path + "r", kPurpose, GetParam());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message.find("make room"), std::string::npos) << made.error().describe();
}

TEST_P(OutputFileTest, TwoOfOneNameDoNotMix) {
  const auto one = create(path_), two = create(path_);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(one->write_line("of one"));
    ASSERT_TRUE(two->write_line("two's"));
    ASSERT_TRUE(one->flush());
    ASSERT_TRUE(two->flush());
  }
  finish(*one);
  EXPECT_EQ(content(path_), "of one\nof one\n");
  finish(*two);
  EXPECT_EQ(content(path_), "two's\ntwo's\n");
  EXPECT_EQ(files(directory_.path()), 1u);
}

TEST_P(OutputFileTest, ALinkStaysAndWhatItLeadsToIsReplaced) {
  fs::create_directory(directory_ / "elsewhere");
  for (const bool there : {true, false}) {
    const std::string target = directory_ / "elsewhere/report.json", link = directory_ / "link";
    fs::remove(target);
    fs::remove(link);
    if (there) put(target, "old");
    fs::create_symlink("elsewhere/report.json", directory_ / "link");
    const auto file = create(link);
    ASSERT_TRUE(file->write("new"));
    finish(*file);
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(content(target), "new");
    EXPECT_EQ(files(directory_ / "elsewhere"), 1u);
  }
}

TEST_P(OutputFileTest, ASpoolIsGoneByItself) {
  const auto file = create(path_);
  auto spool = file->create_spool();
  ASSERT_TRUE(spool);
  const std::string long_line(200'000, 'x');
  ASSERT_TRUE((*spool)->write(long_line));
  ASSERT_TRUE((*spool)->copy(1, (*spool)->size(), *file));
  spool->reset();
  finish(*file);
  EXPECT_EQ(content(path_), long_line.substr(1));
  EXPECT_EQ(files(directory_.path()), 1u);
}

// A disk that fills up, and has room later.
TEST_P(OutputFileTest, AfterAWriteThatFailsNothingIsWrittenTwice) {
  const auto file = create(path_);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string expected;
  Result<void> written;
  for (int i = 0; written && i < 100'000; ++i) {
    const std::string line = "line " + std::to_string(i);
    written = file->write_line(line);
    expected += line + "\n";
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(written.error().message.find(path_), std::string::npos);
  EXPECT_NE(written.error().message.find("-report FILE"), std::string::npos);
  finish(*file);
  EXPECT_EQ(content(path_), expected);
}

using OutputStraight = OutputFileTest;
INSTANTIATE_TEST_SUITE_P(FileSystems, OutputStraight,
                         testing::Values(OutputFile::Nameless::kWherePossible));

TEST_P(OutputStraight, APipeIsWrittenIntoAndStaysOne) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [this] { return content(path_); });
  const std::string much(200'000, 'x');  // more than fits into a pipe
  {
    const auto file = create(path_);
    EXPECT_TRUE(file->is_straight());
    ASSERT_TRUE(file->write_line(much));
    ASSERT_TRUE(file->write_line("last"));
    finish(*file);
  }
  EXPECT_EQ(reader.get(), much + "\nlast\n");
  EXPECT_TRUE(fs::is_fifo(path_));
  EXPECT_EQ(files(directory_.path()), 1u);
}

TEST_P(OutputStraight, APipeWhoseReaderGoesIsAnError) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const auto ignored = std::signal(SIGPIPE, SIG_IGN);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  const auto file = create(path_);
  ::close(reader);
  ASSERT_TRUE(file->write("unread"));
  const auto flushed = file->flush();
  std::signal(SIGPIPE, ignored);
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, ErrorCode::kUnavailable);
}

// It takes a piece well within the time that it has for each, and would go on so for ever.
TEST_P(OutputStraight, APipeWhoseReaderIsTooSlowIsAnError) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  constexpr OutputFile::Reader kLimits{std::chrono::seconds(2), 1'000'000};
  auto file = OutputFile::create(path_, kPurpose, OutputFile::Nameless::kWherePossible, kLimits);
  ASSERT_TRUE(file);
  std::atomic<bool> written = false;
  std::jthread slow([&] {
    std::array<char, PIPE_BUF> piece;
    constexpr int kMost = 500;  // pieces: all that is written, in 50 s
    for (int i = 0; i < kMost && !written; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      while (::read(reader, piece.data(), piece.size()) < 0 && errno == EINTR) {
      }
    }
  });
  const auto done = (*file)->write(std::string(500 * PIPE_BUF, 'x'));
  written = true;
  slow.join();
  ::close(reader);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(done.error().describe().find("too slowly"), std::string::npos);
}

TEST_P(OutputStraight, ADeviceIsWrittenIntoAndStaysOne) {
  // Another /dev/null. To make it takes root.
  if (::mknod(path_.c_str(), S_IFCHR | 0600, ::makedev(1, 3)) != 0) GTEST_SKIP() << "not root";
  {
    const auto file = create(path_);
    ASSERT_TRUE(file->write("new"));
    finish(*file);
  }
  EXPECT_TRUE(fs::is_character_file(path_));
  EXPECT_EQ(files(directory_.path()), 1u);
}

// Nothing is left behind where the process is killed.
TEST_P(OutputStraight, UntilItIsWholeAFileHasNoName) {
  const int nameless = ::open(directory_.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless < 0) GTEST_SKIP() << "the file system has no files without a name";
  ::close(nameless);
  const auto file = create(path_);
  ASSERT_TRUE(file->write("new"));
  ASSERT_TRUE(file->flush());
  EXPECT_EQ(files(directory_.path()), 0u);
  finish(*file);
  EXPECT_EQ(files(directory_.path()), 1u);
}

TEST(OutputFile, PathsThatCannotBeLookedAtAreNotOneFile) {
  const mock::TempDir directory;
  constexpr std::size_t kTooLong = 300;
  EXPECT_FALSE(OutputFile::are_one(directory / std::string(kTooLong, 'a'),
                                   directory / std::string(kTooLong, 'b')));
  EXPECT_TRUE(OutputFile::are_one(directory / "a", directory / "./a"));
}

TEST_P(OutputStraight, AFolderIsAnErrorThatNamesIt) {
  const auto made = OutputFile::create(directory_.path(), kPurpose);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find(directory_.path()), std::string::npos);
}

}  // namespace
}  // namespace dataflow::pipeline
