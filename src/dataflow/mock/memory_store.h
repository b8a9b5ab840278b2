// MemoryStore: a ProductService that keeps its products in a map, for tests of what stands above
// it.
//
// As the contract says, and as strict as a store can be: the newest write time of a row holds, and
// a row that another content with the same time hits is counted as a tie, for versions never share
// a time. Thread safety: as ProductService. The hooks are set before the store is used.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "dataflow/product_service.h"

namespace dataflow::mock {

class MemoryStore : public dataflow::ProductService {
 public:
  // Asked before each row of save_many; an error ends the call there: the rows before are stored
  // and acknowledged, this one and those after it are not. Called under the store's lock.
  std::function<Result<void>(const ProductView&)> before_row;
  // Asked after each row is stored; an error ends the call there, with this row stored but not
  // acknowledged: what a timeout does. Called under the store's lock.
  std::function<Result<void>(const ProductView&)> after_row;

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override;
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override;
  Task<Result<std::string>> incarnation() override;
  Task<Result<std::string>> trust_cache(std::string_view cache) override;
  Task<Result<std::string>> disown_caches() override;
  Task<Result<std::uint64_t>> writer_number() override;
  Task<Result<void>> flush() override;

  // What tests look at and do.
  std::map<ProductId, Product> products() const;
  std::optional<WriteTime> time_of(ProductId id) const;
  std::size_t rows_written() const;  // rows stored since the beginning, each time one was
  std::size_t saves() const;         // calls of save_many
  std::size_t flushes() const;
  std::uint64_t writers() const;  // the last writer's number; 0 where nobody has asked
  std::size_t ties() const;       // how often another content came with the time of the row it met
  void truncate();                // no rows any more, and a new incarnation

 private:
  struct Row {
    Product product;
    WriteTime time = 0;
  };

  std::string describe() const;
  Result<void> save_one(const ProductView& view, WriteTime time, bool& stored);

  mutable std::mutex mutex_;
  std::map<ProductId, Row> rows_;
  std::size_t rows_written_ = 0;
  std::size_t saves_ = 0;
  std::size_t flushes_ = 0;
  std::uint64_t writers_ = 0;
  std::size_t ties_ = 0;
  std::size_t epoch_ = 1;
  std::string trusted_;
  std::size_t truncations_ = 1;
};

}  // namespace dataflow::mock
