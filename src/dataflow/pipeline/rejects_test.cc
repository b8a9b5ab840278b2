// Goal: rejected lines are kept as they were, with their reasons beside them, and nothing of an
// attempt that is taken back.
#include "dataflow/pipeline/rejects.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "dataflow/mock/temp_dir.h"

namespace dataflow::pipeline {
namespace {

class RejectsTest : public testing::Test {
 protected:
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
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
  EXPECT_EQ(rejects.finish(), true);
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
  EXPECT_EQ(rejects.finish(), true);
  EXPECT_EQ(content(path_), "123\n123\n");
}

TEST_F(RejectsTest, WithoutARejectedLineNothingIsTouched) {
  std::ofstream(path_) << "of the last run";
  Rejects rejects(path_);
  EXPECT_EQ(rejects.finish(), false);
  EXPECT_EQ(content(path_), "of the last run");
  EXPECT_EQ(files(), 1u);
}

TEST_F(RejectsTest, TheLastRunsFileCanBeReadUntilTheEnd) {
  std::ofstream(path_) << "of the last run";
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "new"));
  EXPECT_EQ(content(path_), "of the last run");
  EXPECT_EQ(rejects.finish(), true);
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
  EXPECT_EQ(rejects.finish(), true);
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
  EXPECT_EQ(rejects.finish(), true);
  EXPECT_EQ(content(path_), "b1\na of the second attempt\n");
  const std::string reasons = content(path_ + ".reasons");
  EXPECT_EQ(std::count(reasons.begin(), reasons.end(), '\n'), 2);
  EXPECT_EQ(files(), 2u);
}

TEST_F(RejectsTest, WhenAllIsDiscardedNothingIsLeft) {
  Rejects rejects(path_);
  ASSERT_TRUE(rejects.add({"a", 1, 1, 0, "no"}, "a1"));
  rejects.discard(1);
  EXPECT_EQ(rejects.finish(), false);
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

}  // namespace
}  // namespace dataflow::pipeline
