// The mocks that stand in front of another implementation.
#include "dataflow/mock/cache.h"
#include "dataflow/mock/fetch.h"
#include "dataflow/mock/product_service.h"

namespace dataflow::mock {

ProductService::ProductService(dataflow::ProductService& inner) {
  find_fn = [&inner](ProductId id) { return inner.find(id); };
  find_many_fn = [&inner](std::span<const ProductId> ids) { return inner.find_many(ids); };
  save_many_fn = [&inner](std::span<const ProductView> products, WriteTime time,
                          std::span<bool> stored) {
    return inner.save_many(products, time, stored);
  };
  incarnation_fn = [&inner] { return inner.incarnation(); };
  trust_cache_fn = [&inner](std::string_view cache) { return inner.trust_cache(cache); };
  disown_caches_fn = [&inner] { return inner.disown_caches(); };
  writer_number_fn = [&inner] { return inner.writer_number(); };
  flush_fn = [&inner] { return inner.flush(); };
}

Cache::Cache(dataflow::Cache& inner) {
  identity_fn = [&inner] { return inner.identity(); };
  open_fn = [&inner](std::string_view incarnation, Cache::Mode mode) {
    return inner.open(incarnation, mode);
  };
  find_fn = [&inner](std::span<const ProductId> ids, std::span<CacheEntry> entries) {
    return inner.find(ids, entries);
  };
  forget_fn = [&inner](std::span<const ProductId> ids, Making making, WriteTime time) {
    return inner.forget(ids, making, time);
  };
  remember_fn = [&inner](std::span<const ProductId> ids, std::span<const CacheEntry> entries,
                         Making making) { return inner.remember(ids, entries, making); };
  find_objects_fn = [&inner](std::span<const Object> objects) {
    return inner.find_objects(objects);
  };
  begin_object_fn = [&inner](ObjectId object) { return inner.begin_object(object); };
  end_object_fn = [&inner](const Object& object, std::string_view token) {
    return inner.end_object(object, token);
  };
  still_trustworthy_fn = [&inner] { return inner.still_trustworthy(); };
}

Fetch::Fetch(dataflow::Fetch& inner) {
  list_fn = [&inner](std::string_view source) { return inner.list(source); };
  stat_fn = [&inner](std::string_view name) { return inner.stat(name); };
  open_fn = [&inner](const Object& object) { return inner.open(object); };
}

}  // namespace dataflow::mock
