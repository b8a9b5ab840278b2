// GuardedCache: the cache as the pipeline may use it: advice that never stops a run.
//
// A call that fails is tried again; one that still fails switches the cache off for the rest of the
// run, with a warning. From then on nothing is known and nothing is remembered, and before the
// first row is written that the cache could not be told of, the store disowns its caches: what an
// old entry says must not be believed later. Thread safe.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/cache.h"
#include "dataflow/pipeline/budget.h"
#include "dataflow/product_service.h"

namespace dataflow::pipeline {

using Warn = std::function<void(std::string_view)>;

class GuardedCache {
 public:
  // `cache` may be null: no cache from the beginning (-no-cache). All references outlive this.
  GuardedCache(Cache* cache, ProductService& store, Warn warn);

  bool on() const { return on_; }

  // The store's incarnation, in which this cache is the one that is told of what is written; a dry
  // run asks only. A cache that fails is switched off, and the incarnation is the store's as it is.
  // An error is the store's.
  Task<Result<std::string>> learn_incarnation(bool dry_run);

  // Binds the cache to the store's incarnation; a failure switches it off.
  Task<void> open(std::string incarnation, bool dry_run);

  // False where nothing is known; the entries are then as they were.
  Task<bool> find(std::span<const ProductId> ids, std::span<CacheEntry> entries);
  // See Cache::forget; nullopt where the cache could not be told.
  Task<std::optional<WriteTime>> forget(std::span<const ProductId> ids, Making making,
                                        WriteTime time);
  // How many were refused (see Cache::remember); nullopt where the cache could not be told.
  Task<std::optional<std::size_t>> remember(std::span<const ProductId> ids,
                                            std::span<const CacheEntry> entries, Making making);
  Task<std::vector<bool>> find_objects(std::span<const Object> objects);
  Task<std::optional<std::string>> begin_object(ObjectId object);
  Task<void> end_object(const Object& object, std::string token);
  Task<bool> still_trustworthy();

  // To be called before rows are written without a successful forget(). An error is the store's,
  // and final: it is what all later calls return.
  Task<Result<void>> before_blind_write();

  // To be called after the last row was written, with the store's incarnation of that moment. Where
  // it is not the one that this run made or found, another cache was trusted meanwhile, which was
  // not told of all that this run wrote: the store disowns it. As it does where this run's cache
  // could not be told of a row that is stored: another job may have told it of an earlier version.
  // An error is the store's.
  Task<Result<void>> after_last_write(std::string_view incarnation);

  // table_of() the incarnation that this run's rows are written to; empty where it is not known. To
  // be asked while nothing is written.
  std::string_view table() const { return table_; }

 private:
  void switch_off(const Error& error);
  // A store that does not allow it is a warning, which begins with these words.
  Task<Result<void>> disown(std::string_view where_that_cannot_be_noted);

  Cache* const cache_;
  ProductService& store_;
  const Warn warn_;
  std::atomic<bool> on_;
  std::string incarnation_;  // in which this run's writes are told of, or known to be untold
  std::string table_;
  bool opened_ = false;  // and its incarnation noted: truncations until then are none of this run's
  std::atomic<bool> untold_ = false;  // of rows that are stored
  Budget disowning_{1};
  std::optional<Result<void>> disowned_;  // before a blind write
};

}  // namespace dataflow::pipeline
