// Goal: rejected lines are kept as they were, with their reasons beside them, and nothing of an
// attempt that is taken back; what was kept before is not lost to a run that fails.
#include "dataflow/pipeline/rejects.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <climits>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "dataflow/mock/temp_dir.h"

namespace dataflow::pipeline {
namespace {

class RejectsTest : public testing::Test {
 protected:
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Where the lines are.
  static std::string finish(Rejects& rejects, bool all_stored = true) {
    const auto kept = rejects.finish(all_stored);
    if (kept) return kept->lines;
    ADD_FAILURE() << kept.error().describe();
    return {};
  }
  std::size_t files() const {
    const std::filesystem::directory_iterator all(directory_.path());
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  const mock::TempDir directory_;
  const std::string path_ = directory_ / "rejects.jsonl";
};

TEST_F(RejectsTest, KeepsLinesAsTheyWereAndReasonsAsJson) {
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"s3://b/\"k\"\n\xff", 1, 3, 40, "why \"so\""}, "bad\xff line\r"));
  ASSERT_TRUE(rejects.add({"b", 2, 1, 0, "no"}, ""));
  EXPECT_EQ(finish(rejects), path_);
  EXPECT_EQ(content(path_), "bad\xff line\r\n\n");
  EXPECT_EQ(content(path_ + ".reasons"),
            "{\"source\":\"s3://b/"
            "\\\"k\\\"\\n\xEF\xBF\xBD\",\"line\":3,\"byte\":40,\"reason\":\"why \\\"so\\\"\"}\n"
            "{\"source\":\"b\",\"line\":1,\"byte\":0,\"reason\":\"no\"}\n");
  EXPECT_EQ(files(), 2u);
}

TEST_F(RejectsTest, NoMoreThanTheLimitGoesToDisk) {
  Rejects rejects(path_, 10);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "123"));
  ASSERT_TRUE(rejects.add_piece({"b", 2, 1, 0, "no"}, "12", false));
  const auto more = rejects.add_piece({"b", 2, 1, 0, "no"}, "12345", false);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kInvalid);
  EXPECT_NE(more.error().message.find("max_rejects_bytes"), std::string::npos);
  ASSERT_TRUE(rejects.add({"a", 1, 2, 4, "no"}, "123"));
  EXPECT_FALSE(rejects.add({"a", 1, 3, 8, "no"}, ""));
  EXPECT_EQ(finish(rejects), path_);
  EXPECT_EQ(content(path_), "123\n123\n");
}

TEST_F(RejectsTest, WithoutARejectedLineNothingIsTouched) {
  std::ofstream(path_) << "of the last run";
  Rejects rejects(path_);
  EXPECT_EQ(finish(rejects), "");
  EXPECT_EQ(content(path_), "of the last run");
  EXPECT_EQ(files(), 1u);
}

TEST_F(RejectsTest, TheLastRunsFileCanBeReadUntilTheEnd) {
  std::ofstream(path_) << "of the last run";
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
  EXPECT_EQ(content(path_), "of the last run");
  EXPECT_EQ(finish(rejects), path_);
  EXPECT_EQ(content(path_), "new\n");
}

TEST_F(RejectsTest, PiecesOfLongLinesDoNotMixWithOtherLines) {
  Rejects rejects(path_);
  const Rejects::Line one{"a", 1, 5, 50, "long"}, two{"b", 2, 6, 60, "long"};
  ASSERT_TRUE(rejects.add_piece(one, "aaa", false));
  ASSERT_TRUE(rejects.add_piece(two, "bbb", false));
  ASSERT_TRUE(rejects.add({"c", 3, 1, 0, "no"}, "short"));
  ASSERT_TRUE(rejects.add_piece(one, "AAA", true));
  ASSERT_TRUE(rejects.add_piece(two, std::string(200'000, 'B'), true));
  EXPECT_EQ(finish(rejects), path_);
  EXPECT_EQ(content(path_), "short\naaaAAA\nbbb" + std::string(200'000, 'B') + "\n");
  EXPECT_EQ(files(), 2u);
}

TEST_F(RejectsTest, WhatIsDiscardedIsGoneAndTheRestIsWhole) {
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "a1"));
  ASSERT_TRUE(rejects.add({"b", 2, 1, 0, "no"}, "b1"));
  ASSERT_TRUE(rejects.add({"a", 1, 2, 9, "no"}, "a2"));
  ASSERT_TRUE(rejects.add_piece({"a", 1, 3, 12, "long"}, "half of it", false));
  rejects.discard(1);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "a of the second attempt"));
  rejects.keep(1);
  rejects.keep(2);
  rejects.discard(2);  // kept already: too late
  EXPECT_EQ(finish(rejects), path_);
  EXPECT_EQ(content(path_), "b1\na of the second attempt\n");
  const std::string reasons = content(path_ + ".reasons");
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), '\n'), 2);
  EXPECT_EQ(files(), 2u);
}

TEST_F(RejectsTest, WhenAllIsDiscardedNothingIsLeft) {
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "a1"));
  rejects.discard(1);
  EXPECT_EQ(finish(rejects), "");
  EXPECT_EQ(files(), 0u);
}

TEST_F(RejectsTest, AFileThatCannotBeWrittenIsAnErrorThatNamesIt) {
  Rejects rejects(directory_ / "missing/r.jsonl");
  auto added = rejects.add({"a", 1, 1, 0, "no"}, "text");
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(added.error().message.find("r.jsonl"), std::string::npos);
  EXPECT_NE(added.error().message.find("-rejects"), std::string::npos);
}

// What FILE has is nowhere else: the lines that were mended in it among them.
TEST_F(RejectsTest, AFileThatIsReadStaysUnlessAllOfItIsStored) {
  std::ofstream(path_) << "mended";
  std::ofstream(path_ + ".reasons") << "why";
  std::filesystem::create_symlink(path_, directory_ / "link");
  for (const char* number : {"1", "2"}) {
    Rejects rejects(path_);
    rejects.note_source({directory_ / "link", 6, "version"});
    ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
    const auto kept = rejects.finish(false);
    ASSERT_TRUE(kept);
    EXPECT_TRUE(kept->beside);
    EXPECT_EQ(kept->lines, path_ + ".incomplete-" + number);
    EXPECT_EQ(content(kept->lines), "new\n");
    EXPECT_EQ(kept->reasons, kept->lines + ".reasons");
    EXPECT_NE(content(kept->reasons).find("\"no\""), std::string::npos);
    EXPECT_EQ(content(path_), "mended");
    EXPECT_EQ(content(path_ + ".reasons"), "why");
  }
  EXPECT_EQ(files(), 7u);
}

TEST_F(RejectsTest, AFileWithALongNameThatIsReadStaysAsWell) {
  std::string name;
  while (name.size() + 9 < NAME_MAX) name += "ä";  // ".reasons" fits
  const std::string path = directory_ / name;
  std::ofstream(path) << "mended";
  Rejects rejects(path);
  rejects.note_source({path, 6, "version"});
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
  const auto kept = rejects.finish(false);
  ASSERT_TRUE(kept) << kept.error().describe();
  EXPECT_EQ(content(kept->lines), "new\n");
  EXPECT_NE(content(kept->reasons).find("\"no\""), std::string::npos);
  EXPECT_EQ(content(path), "mended");
}

// A folder stands for lines without a file of reasons: a run that is killed between the steps must
// not leave them so. What keeps the lines from their name here is a folder in their place.
TEST_F(RejectsTest, BetweenTheStepsThereIsAFileOfReasons) {
  std::ofstream(path_) << "of the last run";
  std::ofstream(path_ + ".reasons") << "why";
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(rejects.finish(true));
  EXPECT_TRUE(std::filesystem::exists(path_ + ".reasons"));
  EXPECT_EQ(content(path_ + ".reasons"), "") << "they are of no line that is there";
}

TEST_F(RejectsTest, AFileThatIsReadIsReplacedWhenAllOfItIsStored) {
  std::ofstream(path_) << "mended";
  Rejects rejects(path_);
  rejects.note_source({path_, 6, "version"});
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
  EXPECT_EQ(finish(rejects, true), path_);
  EXPECT_EQ(content(path_), "new\n");
  EXPECT_EQ(files(), 2u);
}

TEST_F(RejectsTest, AFileThatIsNotReadIsReplacedWhateverTheRun) {
  std::ofstream(path_) << "of the last run";
  std::ofstream(directory_ / "other") << "of the last run";
  Rejects rejects(path_);
  rejects.note_source({directory_ / "other", 15, "version"});
  rejects.note_source({"s3://bucket/rejects.jsonl", 15, "version"});
  rejects.note_source({directory_ / "missing", 15, "version"});
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
  EXPECT_EQ(finish(rejects, false), path_);
  EXPECT_EQ(content(path_), "new\n");
}

TEST_F(RejectsTest, TheLastOfTwoRunsHasBothFiles) {
  Rejects one(path_), two(path_);
  ASSERT_TRUE(one.add({"one", 1, 1, 0, "no"}, "line of one"));
  ASSERT_TRUE(two.add({"two", 1, 1, 0, "no"}, "two's"));
  ASSERT_TRUE(one.add({"one", 1, 2, 12, "no"}, "another of one"));
  EXPECT_EQ(finish(two), path_);
  EXPECT_EQ(content(path_), "two's\n");
  EXPECT_EQ(finish(one), path_);
  EXPECT_EQ(content(path_), "line of one\nanother of one\n");
  const std::string reasons = content(path_ + ".reasons");
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), '\n'), 2);
  EXPECT_EQ(reasons.find("two"), std::string::npos);
  EXPECT_EQ(files(), 2u);
}

// Many at the same time: a reader of either file sees one run's, and they end up with the same.
TEST_F(RejectsTest, PairsOfRunsThatEndTogetherDoNotMix) {
  constexpr int kRuns = 4, kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    std::barrier together(kRuns);
    std::vector<std::jthread> runs;
    for (int run = 0; run < kRuns; ++run) {
      runs.emplace_back([&, name = std::to_string(run)] {
        Rejects rejects(path_);
        EXPECT_TRUE(rejects.add({name, 1, 1, 0, "no"}, name));
        together.arrive_and_wait();
        EXPECT_EQ(finish(rejects), path_);
      });
    }
    runs.clear();
    const std::string line = content(path_), name = line.substr(0, line.find('\n'));
    const std::string reason = content(path_ + ".reasons");
    ASSERT_EQ(reason.find("{\"source\":\"" + name + "\","), 0u) << line << reason;
    ASSERT_EQ(files(), 2u);
  }
}

// As on a disk that fills up and has room later.
TEST_F(RejectsTest, AfterAWriteThatFailsNothingIsAddedOrNamed) {
  std::ofstream(path_) << "of the last run";
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  Rejects rejects(path_);
  Result<void> added;
  std::uint64_t number = 0;
  while (added && number < 100'000) {
    ++number;
    added = rejects.add({"a", 1, number, 0, "no"}, "line " + std::to_string(number));
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(rejects.add({"b", 2, 1, 0, "no"}, "more"), added) << "nothing more is kept";
  EXPECT_EQ(finish(rejects), "");
  EXPECT_EQ(content(path_), "of the last run");
}

TEST_F(RejectsTest, LinesGoStraightIntoAPipeAndTheirReasonsAreTold) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  auto reader = std::async(std::launch::async, [this] { return content(path_); });
  std::vector<std::string> told;
  {
    Rejects rejects(path_, 1'000'000, [&](std::string_view text) { told.emplace_back(text); });
    ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "one"));
    ASSERT_TRUE(rejects.add_piece({"a", 1, 2, 4, "long"}, "two, ", false));
    ASSERT_TRUE(rejects.add_piece({"a", 1, 2, 4, "long"}, "in pieces", true));
    const auto kept = rejects.finish(true);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->lines, path_);
    EXPECT_EQ(kept->reasons, "");
  }
  EXPECT_EQ(reader.get(), "one\ntwo, in pieces\n");
  EXPECT_EQ(told, (std::vector<std::string>{"a: line 1, byte 0: no", "a: line 2, byte 4: long"}));
  EXPECT_TRUE(std::filesystem::is_fifo(path_));
  EXPECT_EQ(files(), 1u);
}

// Whoever ends the run, because its time is up, does not wait for the reader.
TEST_F(RejectsTest, ALineThatIsStillBeingWrittenDoesNotKeepTheRunFromItsEnd) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  Rejects rejects(path_);
  auto adding = std::async(std::launch::async, [&] {
    return rejects.add({"a", 1, 1, 0, "no"}, std::string(1'000'000, 'x'));
  });
  int waiting = 0;
  while (waiting < ::fcntl(reader, F_GETPIPE_SZ)) ASSERT_EQ(::ioctl(reader, FIONREAD, &waiting), 0);
  const auto kept = rejects.finish(true);
  EXPECT_NE(adding.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  const auto ignored = std::signal(SIGPIPE, SIG_IGN);
  ::close(reader);
  EXPECT_FALSE(adding.get());
  std::signal(SIGPIPE, ignored);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(kept.error().message.find(path_), std::string::npos);
}

TEST_F(RejectsTest, WithoutAFileTheFirstReasonsAreTold) {
  std::vector<std::string> told;
  Rejects rejects("", 1, [&](std::string_view text) { told.emplace_back(text); });
  for (std::uint64_t line = 1; line < 100; ++line) {
    ASSERT_TRUE(rejects.add({"a", 1, line, 10 * line, "no"}, "bad"));
  }
  ASSERT_TRUE(rejects.add_piece({"a", 1, 100, 1000, "long"}, "piece", true));
  EXPECT_EQ(finish(rejects), "");
  ASSERT_EQ(told.size(), Rejects::kMostTold + 1);
  EXPECT_EQ(told[1], "a: line 2, byte 20: no");
}

}  // namespace
}  // namespace dataflow::pipeline
