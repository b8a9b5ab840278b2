#include "dataflow/mock/memory_cache.h"

#include <algorithm>

namespace dataflow::mock {
namespace {

std::unexpected<Error> not_open() {
  return fail(ErrorCode::kInternal, "the cache was used before it was opened");
}

std::unexpected<Error> sizes_differ() {
  return fail(ErrorCode::kInternal, "`ids` and `entries` differ in size");
}

}  // namespace

Task<Result<std::string>> MemoryCache::identity() {
  co_return "memory " + std::to_string(reinterpret_cast<std::uintptr_t>(this));
}

// Deletes the owner's record, or mark, but for the mark of `making`.
void MemoryCache::lose(ObjectId owner, Making making) {
  const auto record = records_.find(owner);
  if (record == records_.end()) return;
  const Record& known = record->second;
  if (owner == making.object && !known.made && known.token == making.token) return;
  records_.erase(record);
}

Task<Result<void>> MemoryCache::open(std::string_view incarnation, Mode mode) {
  if (incarnation.empty()) co_return fail(ErrorCode::kInternal, "an incarnation has a name");
  const std::lock_guard lock(mutex_);
  bound_to_ = incarnation;
  if (incarnation != incarnation_ && mode == Mode::kReadWrite) {
    entries_.clear();
    records_.clear();
    incarnation_ = incarnation;
  }
  trustworthy_ = true;
  co_return Result<void>{};
}

Task<Result<void>> MemoryCache::find(std::span<const ProductId> ids,
                                     std::span<CacheEntry> entries) {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  if (ids.size() != entries.size()) co_return sizes_differ();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto entry = entries_.find(ids[i]);
    entries[i] = entry == entries_.end() || !visible() ? CacheEntry{} : entry->second;
  }
  co_return Result<void>{};
}

Task<Result<WriteTime>> MemoryCache::forget(std::span<const ProductId> ids, Making making,
                                            WriteTime time) {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  WriteTime newest = 0;
  for (const ProductId id : ids) {
    const auto entry = entries_.find(id);
    if (entry != entries_.end()) newest = std::max(newest, entry->second.time);
  }
  for (const ProductId id : ids) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) continue;
    lose(entry->second.owner, making);
    entry->second.state = CacheEntry::State::kDirty;
    entry->second.time = std::max(entry->second.time, time);
    entry->second.repeated = false;
    entry->second.fingerprint = {};
  }
  co_return newest;
}

// Whether the entry was taken.
bool MemoryCache::take(ProductId id, const CacheEntry& entry, Making making) {
  const auto [place, inserted] = entries_.try_emplace(id, entry);
  if (inserted) return true;
  CacheEntry& known = place->second;
  const bool same_write = known.time == entry.time && (known.state == CacheEntry::State::kDirty ||
                                                       known.fingerprint == entry.fingerprint);
  if (entry.time <= known.time && !same_write) return false;
  if (known.owner != entry.owner || known.fingerprint != entry.fingerprint) {
    lose(known.owner, making);
  }
  known = entry;
  return true;
}

Task<Result<std::size_t>> MemoryCache::remember(std::span<const ProductId> ids,
                                                std::span<const CacheEntry> entries,
                                                Making making) {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  if (ids.size() != entries.size()) co_return sizes_differ();
  std::size_t not_taken = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (entries[i].state != CacheEntry::State::kStored) {
      co_return fail(ErrorCode::kInternal, "only stored rows are remembered");
    }
    if (!take(ids[i], entries[i], making)) ++not_taken;
  }
  co_return not_taken;
}

Task<Result<std::vector<bool>>> MemoryCache::find_objects(std::span<const Object> objects) {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  std::vector<bool> stored(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto record = records_.find(object_id(objects[i].name));
    stored[i] = visible() && !objects[i].version.empty() && record != records_.end() &&
                record->second.made == objects[i];
  }
  co_return stored;
}

Task<Result<std::string>> MemoryCache::begin_object(ObjectId object) {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  std::string token = "token-" + std::to_string(++tokens_);
  records_[object] = Record{token, std::nullopt};
  co_return token;
}

Task<Result<bool>> MemoryCache::end_object(const Object& object, std::string_view token) {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  const auto record = records_.find(object_id(object.name));
  if (record == records_.end() || record->second.token != token) co_return false;
  record->second.made = object;
  co_return true;
}

Task<Result<bool>> MemoryCache::still_trustworthy() {
  const std::lock_guard lock(mutex_);
  if (!opened()) co_return not_open();
  co_return trustworthy_;
}

std::map<ProductId, CacheEntry> MemoryCache::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

void MemoryCache::evict(ProductId id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(id);
  // A row without an entry can change hands unnoticed, so no record can be believed any more.
  records_.clear();
  trustworthy_ = false;
}

void MemoryCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  records_.clear();
  trustworthy_ = false;
}

}  // namespace dataflow::mock
