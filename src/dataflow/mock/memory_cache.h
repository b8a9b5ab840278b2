// MemoryCache: a Cache that keeps its entries in maps: the contract of cache.h and nothing else.
// For tests of what stands above a cache, and the reference that other caches are compared with.
//
// Where the contract leaves a choice:
// - A dirty entry keeps the owner it had.
// - Of several begin_object() of one object the last holds; the tokens before it are worth nothing.
//
// Thread safety: as Cache. Several jobs may share one, as they would share a server.
#pragma once

#include <map>
#include <mutex>

#include "dataflow/cache.h"

namespace dataflow::mock {

class MemoryCache : public dataflow::Cache {
 public:
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

  // What tests look at and do.
  std::map<ProductId, CacheEntry> entries() const;
  void evict(ProductId id);  // as a server short of memory would: not trustworthy until open()
  void clear();              // as an operator would: not trustworthy until open()

 private:
  struct Record {
    std::string token;
    std::optional<Object> made;  // nullopt: being made
  };

  bool opened() const { return !bound_to_.empty(); }
  // A cache that was opened to be read, for another incarnation, is empty to its reader.
  bool visible() const { return bound_to_ == incarnation_; }
  bool take(ProductId id, const CacheEntry& entry, Making making);
  void lose(ObjectId owner, Making making);

  mutable std::mutex mutex_;
  std::string incarnation_;  // that the entries belong to
  std::string bound_to_;     // by open()
  std::map<ProductId, CacheEntry> entries_;
  std::map<ObjectId, Record> records_;
  std::size_t tokens_ = 0;
  bool trustworthy_ = true;
};

}  // namespace dataflow::mock
