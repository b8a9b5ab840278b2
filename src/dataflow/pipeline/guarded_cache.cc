#include "dataflow/pipeline/guarded_cache.h"

#include <utility>

namespace dataflow::pipeline {

namespace {

constexpr int kAttempts = 2;  // of one call, before the cache is given up

bool worth_another(const Error& error) { return error.code == ErrorCode::kUnavailable; }

// Every call may be repeated: what it would have changed may or may not be changed already.
template <class Call>
auto attempt(Call call) -> decltype(call()) {
  for (int left = kAttempts;;) {
    auto result = co_await call();
    if (result || --left == 0 || !worth_another(result.error())) co_return result;
  }
}

}  // namespace

GuardedCache::GuardedCache(Cache* cache, ProductService& store, Warn warn)
    : cache_(cache), store_(store), warn_(std::move(warn)), on_(cache != nullptr) {}

void GuardedCache::switch_off(const Error& error) {
  if (!on_.exchange(false)) return;
  warn_(
      "the cache failed and is not used for the rest of this run: rows are written without asking "
      "it, and the "
      "next run writes them again: " +
      error.describe());
}

Task<Result<std::string>> GuardedCache::learn_incarnation(bool dry_run) {
  std::string identity;
  if (on_ && !dry_run) {
    auto known = co_await cache_->identity();
    if (known) {
      identity = std::move(*known);
    } else {
      switch_off(known.error());
    }
  }
  Result<std::string> incarnation;
  if (!identity.empty()) incarnation = co_await store_.trust_cache(identity);
  if (!incarnation && incarnation.error().code == ErrorCode::kUnauthorized) {
    warn_(
        "the store does not let it be noted which cache is told of its rows: use only this one for "
        "this table: " +
        incarnation.error().describe());
    identity.clear();
  }
  if (identity.empty()) incarnation = co_await store_.incarnation();
  if (incarnation) {
    incarnation_ = *incarnation;
    table_ = table_of(incarnation_);
  }
  co_return incarnation;
}

Task<void> GuardedCache::open(std::string incarnation, bool dry_run) {
  if (!on_) co_return;
  auto opened = co_await cache_->open(incarnation,
                                      dry_run ? Cache::Mode::kReadOnly : Cache::Mode::kReadWrite);
  opened_ = opened.has_value();
  if (!opened) switch_off(opened.error());
}

Task<bool> GuardedCache::find(std::span<const ProductId> ids, std::span<CacheEntry> entries) {
  if (!on_) co_return false;
  auto found = co_await attempt([&] { return cache_->find(ids, entries); });
  if (!found) switch_off(found.error());
  co_return found.has_value();
}

Task<std::optional<WriteTime>> GuardedCache::forget(std::span<const ProductId> ids, Making making,
                                                    WriteTime time) {
  if (!on_) co_return std::nullopt;
  auto forgotten = co_await attempt([&] { return cache_->forget(ids, making, time); });
  if (forgotten) co_return *forgotten;
  switch_off(forgotten.error());
  co_return std::nullopt;
}

Task<std::optional<std::size_t>> GuardedCache::remember(std::span<const ProductId> ids,
                                                        std::span<const CacheEntry> entries,
                                                        Making making) {
  if (on_) {
    auto remembered = co_await attempt([&] { return cache_->remember(ids, entries, making); });
    if (remembered) co_return *remembered;
    switch_off(remembered.error());
  }
  untold_ = true;
  co_return std::nullopt;
}

Task<std::vector<bool>> GuardedCache::find_objects(std::span<const Object> objects) {
  if (on_) {
    auto found = co_await attempt([&] { return cache_->find_objects(objects); });
    if (found) co_return std::move(*found);
    switch_off(found.error());
  }
  co_return std::vector<bool>(objects.size(), false);
}

Task<std::optional<std::string>> GuardedCache::begin_object(ObjectId object) {
  if (!on_) co_return std::nullopt;
  auto token = co_await attempt([&] { return cache_->begin_object(object); });
  if (token) co_return std::move(*token);
  switch_off(token.error());
  co_return std::nullopt;
}

Task<void> GuardedCache::end_object(const Object& object, std::string token) {
  if (!on_) co_return;
  auto made = co_await attempt([&] { return cache_->end_object(object, token); });
  if (!made) switch_off(made.error());
}

Task<bool> GuardedCache::still_trustworthy() {
  if (!on_) co_return false;
  auto trustworthy = co_await attempt([&] { return cache_->still_trustworthy(); });
  if (!trustworthy) switch_off(trustworthy.error());
  co_return trustworthy.has_value() && *trustworthy;
}

Task<Result<void>> GuardedCache::disown(std::string_view where_that_cannot_be_noted) {
  auto done = co_await store_.disown_caches();
  if (done) {
    incarnation_ = std::move(*done);
    co_return Result<void>();
  }
  if (done.error().code != ErrorCode::kUnauthorized) {
    co_return std::unexpected(std::move(done.error()));
  }
  warn_(std::string(where_that_cannot_be_noted) + done.error().describe());
  co_return Result<void>();
}

Task<Result<void>> GuardedCache::before_blind_write() {
  auto one_at_a_time = co_await disowning_.acquire(1);
  if (disowned_) co_return *disowned_;
  auto done = co_await disown(
      "rows are written that the cache is not told of, and the store does not let that be noted in "
      "it: empty the cache before the next run: ");
  // The first to write: what the table went through before that is noted now.
  if (done && !opened_) table_ = table_of(incarnation_);
  disowned_ = done;
  co_return done;
}

Task<Result<void>> GuardedCache::after_last_write(std::string_view incarnation) {
  if (incarnation == incarnation_ && (!untold_ || (disowned_ && *disowned_)))
    co_return Result<void>();
  auto done = co_await disown(
      "a cache was not told of all that this run wrote, and the store does not let that be noted "
      "in it: empty it before its next run: ");
  co_return done;
}

}  // namespace dataflow::pipeline
