// Cache in Redis: what a job knows of the store is kept by a server that several jobs may share.
//
// Needs one Redis (6 or newer; not a cluster, not a replica) and, where it has users, one who may
// use AUTH, PING, and on keys dataflow:* INFO, CLIENT ID, SELECT, EVAL, GET, MGET, SET, MSET,
// MSETNX, DEL, HSETNX, HGETALL; for removing old entries SCAN, UNLINK, HEXISTS, HSET and HDEL; and
// CLIENT KILL, without which a server may still execute what was sent on a lost connection (see
// link.h). Keys have no time to live.
//
// The entries of an incarnation belong to one run of the server: one that restarted may have come
// back with older data, so its cache starts empty. After it restarted, was emptied (FLUSHDB) or
// lost this cache's witness, every call fails with kUnavailable until open(), and
// still_trustworthy() says false.
//
// A server that evicts keys stays right: records made before an eviction are worthless from then on
// (find_objects), and still_trustworthy() tells of one during the run.
//
// One round trip has response_timeout_ms. A call of many rows may need several, one after another,
// and fails as soon as one of them does. A lost connection is replaced once, within
// connect_timeout_ms.
//
// Ids stand at most once in one call of remember(). Destroy it when its tasks are done. Thread
// safety: as the domain's Cache; open() not beside other calls. Errors: kUnavailable (down, slow,
// full, restarted, no Redis) and kUnauthorized; of identity() and open() also kInvalid for options
// that cannot be meant; kInternal for calls that break the contract.
#pragma once

#include <atomic>
#include <memory>

#include "dataflow/cache.h"
#include "dataflow/redis/options.h"

namespace dataflow::redis {

class Session;

class Cache : public dataflow::Cache {
 public:
  // Without I/O: identity() and open() connect.
  explicit Cache(Options options);
  ~Cache() override;

  Task<Result<std::string>> identity() override;
  Task<Result<void>> open(std::string_view incarnation, Mode mode = Mode::kReadWrite) override;
  Task<Result<void>> find(std::span<const ProductId> ids, std::span<CacheEntry> entries) override;
  Task<Result<WriteTime>> forget(std::span<const ProductId> ids, Making making,
                                 WriteTime time) override;
  Task<Result<std::size_t>> remember(std::span<const ProductId> ids,
                                     std::span<const CacheEntry> entries, Making making) override;
  Task<Result<std::vector<bool>>> find_objects(std::span<const Object> objects) override;
  Task<Result<std::string>> begin_object(ObjectId object) override;
  Task<Result<bool>> end_object(const Object& object, std::string_view token) override;
  Task<Result<bool>> still_trustworthy() override;

 private:
  std::unique_ptr<Session> session_;
  // Whether the rows remembered last were all new to the cache (see rows.cc).
  std::atomic<bool> expect_absent_ = true;
};

}  // namespace dataflow::redis
