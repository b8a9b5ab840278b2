// Goal: of the lines of one id the last one holds, in whatever order they are worked on, in memory
// and in a spill.
#include "dataflow/pipeline/claims.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace dataflow::pipeline {
namespace {

// Occurrences in a map: what a spill has to do.
class MapOccurrences : public Occurrences {
 public:
  Result<void> get(std::span<const ProductId> ids, std::span<Seen> seen) override {
    for (std::size_t i = 0; i < ids.size(); ++i) seen[i] = map_[ids[i]];
    return {};
  }
  Result<void> put(std::span<const ProductId> ids, std::span<const Seen> seen) override {
    for (std::size_t i = 0; i < ids.size(); ++i) map_[ids[i]] = seen[i];
    return {};
  }

 private:
  std::map<ProductId, Seen> map_;
};

class ClaimsTest : public testing::TestWithParam<std::size_t> {
 protected:
  Claims claims_{GetParam(), [] {
                   return Result<std::unique_ptr<Occurrences>>(std::make_unique<MapOccurrences>());
                 }};

  Claims::Verdict claim(ProductId id, std::uint64_t order) {
    std::vector<Claims::Claim> one{{id, order}};
    EXPECT_TRUE(claims_.claim(one));
    return one[0].verdict;
  }
  Claims::Verdict mark(ProductId id, std::uint64_t order) {
    std::vector<Claims::Claim> one{{id, order}};
    EXPECT_TRUE(claims_.mark_written(one));
    return one[0].verdict;
  }
};

TEST_P(ClaimsTest, TheLaterLineHoldsInWhateverOrderTheyCome) {
  using enum Claims::Verdict;
  // Fill it, so that the small one has spilled.
  for (ProductId id = 1000; id < 6000; ++id) EXPECT_EQ(claim(id, 1), kLast);
  EXPECT_EQ(claims_.spilled(), GetParam() < 100'000);
  EXPECT_EQ(claim(1, 10), kLast);
  EXPECT_EQ(claim(1, 5), kSuperseded);
  EXPECT_EQ(claim(1, 20), kLast);
  EXPECT_EQ(mark(1, 10), kSuperseded);
  EXPECT_EQ(mark(1, 20), kLast);
  EXPECT_EQ(claim(1, 30), kReplacesWritten);
  // Also the line after the next one replaces what was written.
  EXPECT_EQ(claim(1, 40), kReplacesWritten);
  EXPECT_EQ(mark(1, 30), kSuperseded);
  EXPECT_EQ(claims_.size(), 5001u);
}

TEST_P(ClaimsTest, OneBlockMayHoldAnIdSeveralTimes) {
  std::vector<Claims::Claim> block{{7, 1}, {8, 2}, {7, 3}};
  ASSERT_TRUE(claims_.claim(block));
  EXPECT_EQ(block[2].other, 1u);
  ASSERT_TRUE(claims_.mark_written(block));
  EXPECT_EQ(block[0].verdict, Claims::Verdict::kSuperseded);
  EXPECT_EQ(block[2].verdict, Claims::Verdict::kLast);
}

TEST_P(ClaimsTest, RoomMadeAheadLosesNothingAndKeepsTheLimit) {
  using enum Claims::Verdict;
  claims_.expect(1'000);
  EXPECT_EQ(claim(0, 7), kLast);
  EXPECT_EQ(claim(std::numeric_limits<ProductId>::max(), 8), kLast);
  claims_.expect(std::uint64_t{1} << 60);
  EXPECT_EQ(claim(0, 6), kSuperseded);
  EXPECT_EQ(claim(std::numeric_limits<ProductId>::max(), 7), kSuperseded);
  for (ProductId id = 1; id < 6000; ++id) EXPECT_EQ(claim(id, 1), kLast);
  EXPECT_EQ(claims_.spilled(), GetParam() < 100'000);
  claims_.expect(1'000);
  EXPECT_EQ(claim(0, 6), kSuperseded);
  EXPECT_EQ(claims_.size(), 6001u);
}

INSTANTIATE_TEST_SUITE_P(MemoryAndSpill, ClaimsTest, testing::Values(1 << 22, 1 << 14));

TEST(LineOrder, ComparesByObjectThenAttemptThenOffset) {
  EXPECT_LT(LineOrder::pack(1, 3, 1 << 30), LineOrder::pack(2, 0, 0));
  EXPECT_LT(LineOrder::pack(1, 0, 1 << 30), LineOrder::pack(1, 1, 0));
  EXPECT_LT(LineOrder::pack(1, 0, 16), LineOrder::pack(1, 0, 32));
  EXPECT_EQ(LineOrder::object_of(LineOrder::pack(LineOrder::kMaxObjects, 3, ~0ull)),
            LineOrder::kMaxObjects);
}

TEST(Claims, ASpillThatCannotBeMadeIsAnError) {
  Claims claims(1 << 14, [] {
    return Result<std::unique_ptr<Occurrences>>(fail(ErrorCode::kUnavailable, "the disk is full"));
  });
  std::vector<Claims::Claim> many;
  for (ProductId id = 0; id < 5000; ++id) many.push_back({id, 1});
  EXPECT_EQ(claims.claim(many).error().code, ErrorCode::kUnavailable);
}

TEST(Claims, ASpillThatFailsOnTheWayFailsAllThatFollows) {
  struct Full final : MapOccurrences {
    Result<void> put(std::span<const ProductId> ids, std::span<const Seen> seen) override {
      if (++puts == 50) return fail(ErrorCode::kUnavailable, "the disk is full");
      return MapOccurrences::put(ids, seen);
    }
    int puts = 0;
  };
  // So many that the 50th batch comes when a part of the memory has been given back.
  constexpr std::size_t kIds = 400'000;
  Claims claims(8 << 20,
                [] { return Result<std::unique_ptr<Occurrences>>(std::make_unique<Full>()); });
  std::vector<Claims::Claim> some;
  for (ProductId id = 0; id < 1000; ++id) some.push_back({id, 2});
  ASSERT_TRUE(claims.claim(some));
  std::vector<Claims::Claim> many;
  for (ProductId id = 1000; many.size() < kIds; ++id) many.push_back({id, 1});
  EXPECT_EQ(claims.claim(many).error().code, ErrorCode::kUnavailable);
  // What the first lines were is not known any more: nothing may be written on a guess.
  EXPECT_EQ(claims.mark_written(some).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(claims.claim(some).error().code, ErrorCode::kUnavailable);
}

TEST(Claims, AllThatWasSeenMovesToTheSpill) {
  using enum Claims::Verdict;
  Claims claims(8 << 20, [] {
    return Result<std::unique_ptr<Occurrences>>(std::make_unique<MapOccurrences>());
  });
  std::vector<Claims::Claim> many;
  for (ProductId id = 0; id < 400'000; ++id) many.push_back({id * 7, 2});
  ASSERT_TRUE(claims.claim(many));
  ASSERT_TRUE(claims.spilled());
  EXPECT_EQ(claims.size(), many.size());
  for (auto& claim : many) claim.order = 1;
  ASSERT_TRUE(claims.claim(many));
  for (const auto& claim : many) ASSERT_EQ(claim.verdict, kSuperseded) << claim.id;
}

}  // namespace
}  // namespace dataflow::pipeline
