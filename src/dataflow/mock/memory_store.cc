#include "dataflow/mock/memory_store.h"

namespace dataflow::mock {

Task<Result<Product>> MemoryStore::find(ProductId id) {
  const std::lock_guard lock(mutex_);
  const auto row = rows_.find(id);
  if (row == rows_.end()) {
    co_return fail(ErrorCode::kNotFound, "there is no product " + std::to_string(id));
  }
  co_return row->second.product;
}

Task<Result<std::vector<std::optional<Product>>>> MemoryStore::find_many(
    std::span<const ProductId> ids) {
  const std::lock_guard lock(mutex_);
  std::vector<std::optional<Product>> found(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (const auto row = rows_.find(ids[i]); row != rows_.end()) found[i] = row->second.product;
  }
  co_return found;
}

Task<Result<void>> MemoryStore::save_many(std::span<const ProductView> products, WriteTime time,
                                          std::span<bool> stored) {
  if (stored.size() != products.size()) {
    co_return fail(ErrorCode::kInternal, "`stored` and `products` differ in size");
  }
  const std::lock_guard lock(mutex_);
  ++saves_;
  for (std::size_t i = 0; i < products.size(); ++i) {
    auto saved = save_one(products[i], time, stored[i]);
    if (!saved) co_return std::unexpected(saved.error());
  }
  co_return Result<void>{};
}

Result<void> MemoryStore::save_one(const ProductView& view, WriteTime time, bool& stored) {
  if (before_row) {
    if (auto allowed = before_row(view); !allowed) return allowed;
  }
  ++rows_written_;
  Row row{to_product(view), time};
  const auto [place, inserted] = rows_.try_emplace(view.id, row);
  if (!inserted) {
    if (place->second.time == time && !(place->second.product == row.product)) ++ties_;
    if (place->second.time <= time) place->second = std::move(row);
  }
  if (after_row) {
    if (auto answered = after_row(view); !answered) return answered;
  }
  stored = true;
  return {};
}

std::string MemoryStore::describe() const {
  return "memory\n" + std::to_string(truncations_) + "\n" + std::to_string(epoch_);
}

Task<Result<std::string>> MemoryStore::incarnation() {
  const std::lock_guard lock(mutex_);
  co_return describe();
}

Task<Result<std::string>> MemoryStore::trust_cache(std::string_view cache) {
  const std::lock_guard lock(mutex_);
  if (trusted_ != cache) ++epoch_;
  trusted_ = cache;
  co_return describe();
}

Task<Result<std::string>> MemoryStore::disown_caches() {
  const std::lock_guard lock(mutex_);
  trusted_.clear();
  ++epoch_;
  co_return describe();
}

Task<Result<std::uint64_t>> MemoryStore::writer_number() {
  const std::lock_guard lock(mutex_);
  co_return ++writers_;
}

Task<Result<void>> MemoryStore::flush() {
  const std::lock_guard lock(mutex_);
  ++flushes_;
  co_return Result<void>{};
}

std::map<ProductId, Product> MemoryStore::products() const {
  const std::lock_guard lock(mutex_);
  std::map<ProductId, Product> products;
  for (const auto& [id, row] : rows_) products.emplace_hint(products.end(), id, row.product);
  return products;
}

std::optional<WriteTime> MemoryStore::time_of(ProductId id) const {
  const std::lock_guard lock(mutex_);
  const auto row = rows_.find(id);
  return row == rows_.end() ? std::nullopt : std::optional(row->second.time);
}

std::size_t MemoryStore::rows_written() const {
  const std::lock_guard lock(mutex_);
  return rows_written_;
}

std::size_t MemoryStore::saves() const {
  const std::lock_guard lock(mutex_);
  return saves_;
}

std::size_t MemoryStore::flushes() const {
  const std::lock_guard lock(mutex_);
  return flushes_;
}

std::uint64_t MemoryStore::writers() const {
  const std::lock_guard lock(mutex_);
  return writers_;
}

std::size_t MemoryStore::ties() const {
  const std::lock_guard lock(mutex_);
  return ties_;
}

void MemoryStore::truncate() {
  const std::lock_guard lock(mutex_);
  rows_.clear();
  ++truncations_;
}

}  // namespace dataflow::mock
