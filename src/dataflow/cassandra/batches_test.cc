// Goal: batches stay within the server's thresholds and within one replica group, and hold every
// row once.
#include "dataflow/cassandra/batches.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "dataflow/cassandra/rows.h"
#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using testing::ElementsAre;

BatchLimits after(std::string_view name, std::string_view value) {
  BatchLimits limits;
  apply_setting(name, value, limits);
  return limits;
}

TEST(BatchLimits, ReadsTheThresholdsOfEveryVersion) {
  EXPECT_EQ(after("batch_size_warn_threshold", "5KiB").bytes, 5120U);
  EXPECT_EQ(after("batch_size_warn_threshold", "6144B").bytes, 6144U);
  EXPECT_EQ(after("batch_size_warn_threshold", "6144").bytes, 6144U);
  EXPECT_EQ(after("batch_size_warn_threshold_in_kb", "7").bytes, 7168U);
  EXPECT_EQ(after("unlogged_batch_across_partitions_warn_threshold", "20").rows, 20U);
}

TEST(BatchLimits, KeepsToOurOwnWhereTheServersAreHigher) {
  EXPECT_EQ(after("batch_size_warn_threshold", "1MiB").bytes, kLargestBatch.bytes);
  EXPECT_EQ(after("batch_size_warn_threshold", "9223372036854775807GiB").bytes,
            kLargestBatch.bytes);
  EXPECT_EQ(after("unlogged_batch_across_partitions_warn_threshold", "1000000").rows,
            kLargestBatch.rows);
}

TEST(BatchLimits, ThresholdsOfNothingLeaveSingleRows) {
  EXPECT_EQ(after("batch_size_warn_threshold", "0KiB").bytes, 0U);
  EXPECT_EQ(after("batch_size_warn_threshold_in_kb", "-1").bytes, 0U);
  EXPECT_EQ(after("unlogged_batch_across_partitions_warn_threshold", "0").rows, 1U);
}

TEST(BatchLimits, WhatCannotBeReadChangesNothing) {
  EXPECT_EQ(after("batch_size_warn_threshold", "null"), BatchLimits());
  EXPECT_EQ(after("batch_size_warn_threshold", "5 parsecs"), BatchLimits());
  EXPECT_EQ(after("batch_size_warn_threshold", ""), BatchLimits());
  EXPECT_EQ(after("batch_size_fail_threshold", "50KiB"), BatchLimits());
}

class CutBatches : public testing::Test {
 protected:
  // A row of this size by the server's measure.
  void add(std::size_t size, std::uint32_t group = 0) {
    titles_.push_back(std::string(size - kRowOverhead, 'x'));
    groups_.push_back(group);
  }

  std::vector<std::vector<std::uint32_t>> cut(const BatchLimits& limits) {
    std::vector<ProductView> products;
    for (const std::string& title : titles_) products.push_back(bare(0, title));
    const Batches batches = cut_batches(products, groups_, limits);
    std::vector<std::vector<std::uint32_t>> out;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      out.emplace_back(batches[i].begin(), batches[i].end());
    }
    return out;
  }

 private:
  std::vector<std::string> titles_;
  std::vector<std::uint32_t> groups_;
};

TEST_F(CutBatches, NothingIsNoBatch) { EXPECT_THAT(cut({}), ElementsAre()); }

TEST_F(CutBatches, FillsUpToTheByteAndNoFurther) {
  for (const std::size_t size : {500, 500, 500, 501, 500}) add(size);
  EXPECT_THAT(cut({.bytes = 1000, .rows = 10}),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3), ElementsAre(4)));
}

TEST_F(CutBatches, CountsRows) {
  for (int i = 0; i < 5; ++i) add(200);
  EXPECT_THAT(cut({.bytes = 5000, .rows = 2}),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4)));
}

TEST_F(CutBatches, ALargeRowGoesAlone) {
  for (const std::size_t size : {300, 9000, 300, 300}) add(size);
  EXPECT_THAT(cut({.bytes = 1000, .rows = 10}),
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2, 3)));
}

TEST_F(CutBatches, AThresholdOfNothingMakesEveryRowItsOwnBatch) {
  add(200);
  add(200);
  EXPECT_THAT(cut({.bytes = 0, .rows = 10}), ElementsAre(ElementsAre(0), ElementsAre(1)));
}

TEST_F(CutBatches, KeepsReplicaGroupsApart) {
  for (const std::uint32_t group : {7, 3, 7, 3, 7}) add(200, group);
  EXPECT_THAT(cut({.bytes = 5000, .rows = 10}),
              ElementsAre(ElementsAre(1, 3), ElementsAre(0, 2, 4)));
}

TEST_F(CutBatches, EveryRowIsInExactlyOneBatch) {
  constexpr std::uint32_t kRows = 1000;
  for (std::uint32_t i = 0; i < kRows; ++i) add(200 + i * 37 % 900, i * 31 % 5);
  std::vector<std::uint32_t> seen;
  for (const auto& batch : cut({})) {
    EXPECT_LE(batch.size(), BatchLimits().rows);
    seen.insert(seen.end(), batch.begin(), batch.end());
  }
  std::ranges::sort(seen);
  ASSERT_EQ(seen.size(), kRows);
  for (std::uint32_t i = 0; i < kRows; ++i) EXPECT_EQ(seen[i], i);
}

}  // namespace
}  // namespace dataflow::cassandra
