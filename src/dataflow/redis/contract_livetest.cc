// Goal: the cache keeps the contract of cache.h on a real server, as every other Cache does.
#include "dataflow/mock/cache_contract.h"

#include "dataflow/redis/live_support.h"

namespace dataflow::mock {
namespace {

// The contract's incarnations have the same names in each test: each has a server of its own.
class CacheOnItsOwnServer : private redis::OwnRedis, public redis::Cache {
 public:
  CacheOnItsOwnServer() : redis::Cache(OwnRedis::options()) {}
};

INSTANTIATE_TEST_SUITE_P(Redis, CacheContract, testing::Values(CacheContractParam{[] {
                           return std::make_unique<CacheOnItsOwnServer>();
                         }}));

}  // namespace
}  // namespace dataflow::mock
