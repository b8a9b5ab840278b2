// A ProductService that does what a test says: one function a method (see method.h).
#pragma once

#include "dataflow/mock/method.h"
#include "dataflow/product_service.h"

namespace dataflow::mock {

class ProductService : public dataflow::ProductService {
 public:
  // No function anywhere: every call is an error until the test gives it one.
  ProductService() = default;
  // Every method goes to `inner`, which must live as long; the test replaces what it wants
  // otherwise.
  explicit ProductService(dataflow::ProductService& inner);

  Method<Result<Product>(ProductId)> find_fn{"ProductService::find"};
  Method<Result<std::vector<std::optional<Product>>>(std::span<const ProductId>)> find_many_fn{
      "ProductService::find_many"};
  Method<Result<void>(std::span<const ProductView>, WriteTime, std::span<bool>)> save_many_fn{
      "ProductService::save_many"};
  Method<Result<std::string>()> incarnation_fn{"ProductService::incarnation"};
  Method<Result<std::string>(std::string_view)> trust_cache_fn{"ProductService::trust_cache"};
  Method<Result<std::string>()> disown_caches_fn{"ProductService::disown_caches"};
  Method<Result<std::uint64_t>()> writer_number_fn{"ProductService::writer_number"};
  Method<Result<void>()> flush_fn{"ProductService::flush"};

  Task<Result<Product>> find(ProductId id) override { return find_fn(id); }
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override {
    return find_many_fn(ids);
  }
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override {
    return save_many_fn(products, time, stored);
  }
  Task<Result<std::string>> incarnation() override { return incarnation_fn(); }
  Task<Result<std::string>> trust_cache(std::string_view cache) override {
    return trust_cache_fn(cache);
  }
  Task<Result<std::string>> disown_caches() override { return disown_caches_fn(); }
  Task<Result<std::uint64_t>> writer_number() override { return writer_number_fn(); }
  Task<Result<void>> flush() override { return flush_fn(); }
};

}  // namespace dataflow::mock
