// Goal: MemoryCache keeps the contract of cache.h, and tells when it was emptied behind its
// caller's back.
#include "dataflow/mock/memory_cache.h"

#include "dataflow/mock/cache_contract.h"

namespace dataflow::mock {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, CacheContract, testing::Values(CacheContractParam{[] {
                           return std::make_unique<MemoryCache>();
                         }}));

TEST(MemoryCache, EvictedOrClearedItIsNotTrustworthyUntilItIsOpenedAgain) {
  MemoryCache cache;
  ASSERT_TRUE(wait(cache.open("a")));
  const ProductId ids[] = {1};
  const CacheEntry entries[] = {{CacheEntry::State::kStored, false, {1, 2}, 3, 4}};
  ASSERT_EQ(*wait(cache.remember(ids, entries, kNoObject)), 0u);
  cache.evict(1);
  EXPECT_TRUE(cache.entries().empty());
  EXPECT_FALSE(*wait(cache.still_trustworthy()));
  ASSERT_TRUE(wait(cache.open("a")));
  EXPECT_TRUE(*wait(cache.still_trustworthy()));
  cache.clear();
  EXPECT_FALSE(*wait(cache.still_trustworthy()));
}

}  // namespace
}  // namespace dataflow::mock
