// A Cache that does what a test says: one function a method (see method.h).
#pragma once

#include "dataflow/cache.h"
#include "dataflow/mock/method.h"

namespace dataflow::mock {

class Cache : public dataflow::Cache {
 public:
  // No function anywhere: every call is an error until the test gives it one.
  Cache() = default;
  // Every method goes to `inner`, which must live as long; the test replaces what it wants
  // otherwise.
  explicit Cache(dataflow::Cache& inner);

  Method<Result<std::string>()> identity_fn{"Cache::identity"};
  Method<Result<void>(std::string_view, Mode)> open_fn{"Cache::open"};
  Method<Result<void>(std::span<const ProductId>, std::span<CacheEntry>)> find_fn{"Cache::find"};
  Method<Result<WriteTime>(std::span<const ProductId>, Making, WriteTime)> forget_fn{
      "Cache::forget"};
  Method<Result<std::size_t>(std::span<const ProductId>, std::span<const CacheEntry>, Making)>
      remember_fn{"Cache::remember"};
  Method<Result<std::vector<bool>>(std::span<const Object>)> find_objects_fn{"Cache::find_objects"};
  Method<Result<std::string>(ObjectId)> begin_object_fn{"Cache::begin_object"};
  Method<Result<bool>(const Object&, std::string_view)> end_object_fn{"Cache::end_object"};
  Method<Result<bool>()> still_trustworthy_fn{"Cache::still_trustworthy"};

  Task<Result<std::string>> identity() override { return identity_fn(); }
  Task<Result<void>> open(std::string_view incarnation, Mode mode = Mode::kReadWrite) override {
    return open_fn(incarnation, mode);
  }
  Task<Result<void>> find(std::span<const ProductId> ids, std::span<CacheEntry> entries) override {
    return find_fn(ids, entries);
  }
  Task<Result<WriteTime>> forget(std::span<const ProductId> ids, Making making,
                                 WriteTime time) override {
    return forget_fn(ids, making, time);
  }
  Task<Result<std::size_t>> remember(std::span<const ProductId> ids,
                                     std::span<const CacheEntry> entries, Making making) override {
    return remember_fn(ids, entries, making);
  }
  Task<Result<std::vector<bool>>> find_objects(std::span<const Object> objects) override {
    return find_objects_fn(objects);
  }
  Task<Result<std::string>> begin_object(ObjectId object) override {
    return begin_object_fn(object);
  }
  Task<Result<bool>> end_object(const Object& object, std::string_view token) override {
    return end_object_fn(object, token);
  }
  Task<Result<bool>> still_trustworthy() override { return still_trustworthy_fn(); }
};

}  // namespace dataflow::mock
