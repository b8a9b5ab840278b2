// For the live tests of what may happen to the server: one row at a time, by short names, and
// errors by their code and words.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/redis/live_support.h"

namespace dataflow::redis {

inline constexpr WriteTime kNow = 1'790'000'000'000'000;
inline constexpr ObjectId kA = 1;
inline const std::string kTable = "table\n1";

inline CacheEntry stored(std::uint64_t content, WriteTime time, ObjectId owner = kA) {
  return {CacheEntry::State::kStored, false, {content, ~content}, time, owner};
}

inline Result<void> open(Cache& cache, const std::string& incarnation = kTable) {
  return run(cache.open(incarnation));
}

inline Result<CacheEntry> find(Cache& cache, ProductId id) {
  CacheEntry entry;
  const auto found = run(cache.find(std::span(&id, 1), std::span(&entry, 1)));
  if (!found) return std::unexpected(found.error());
  return entry;
}

inline Result<std::size_t> remember(Cache& cache, ProductId id, const CacheEntry& entry) {
  return run(cache.remember(std::span(&id, 1), std::span(&entry, 1), kNoObject));
}

inline Result<std::size_t> remember_many(Cache& cache, ProductId first, std::size_t count) {
  std::vector<ProductId> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  const std::vector<CacheEntry> entries(count, stored(1, kNow));
  return run(cache.remember(ids, entries, kNoObject));
}

inline void expect_error(const auto& result, ErrorCode code, std::string_view message) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, code) << result.error().describe();
  EXPECT_THAT(result.error().message, testing::HasSubstr(message)) << result.error().describe();
}

}  // namespace dataflow::redis
