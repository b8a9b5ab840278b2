#include "dataflow/pipeline/row_stage.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace dataflow::pipeline {

namespace {

// A block of which at most every kFewOf-th row is to be written has few of them.
constexpr std::size_t kFewOf = 16;
// What is put off because it is few, at most: what is written at the end of a run, one object after
// another.
constexpr std::size_t kMaxPutOffRows = 4096;
constexpr std::size_t kMaxPutOffObjects = 16;

}  // namespace

// What is known of one row on its way.
struct RowOnItsWay {
  const Row* row = nullptr;
  Claims::Claim claim;
  CacheEntry entry;
  Action action = Action::kAdd;
  bool repeated = false;  // an earlier line of the same object holds another version

  bool replaces_written() const { return claim.verdict == Claims::Verdict::kReplacesWritten; }
  bool is_to_be_written() const { return action == Action::kAdd || action == Action::kChange; }
};

// The rows of one block, or of one object's put-off rows, on their way through the stage.
struct RowStage::Work {
  std::shared_ptr<ObjectState> object;
  std::uint64_t attempt = 0;
  std::vector<RowOnItsWay> rows;
  bool known = false;  // the cache was asked and answered
  Counts counts;

  bool has_rows_to_write() const {
    return std::ranges::any_of(rows, &RowOnItsWay::is_to_be_written);
  }
};

struct RowStage::Deferred {
  Product product;
  Row row;  // its product is a view of `product` made when it is taken
  Claims::Claim claim;
  bool repeated = false;
  std::shared_ptr<ObjectState> object;
  std::uint64_t attempt = 0;
  std::size_t bytes = 0;
};

RowStage::RowStage(const Options& options, ProductService& store, GuardedCache& cache,
                   Catalogue& catalogue, Claims& claims, Progress& progress, Warn warn)
    : options_(options),
      store_(store),
      cache_(cache),
      catalogue_(catalogue),
      claims_(claims),
      progress_(progress),
      warn_(std::move(warn)) {}

RowStage::~RowStage() = default;

void RowStage::count(Work& work, const Counts& counts) {
  work.object->count(counts);
  progress_.add(counts);
}

// Claims the ids and keeps the rows that are the last of theirs so far.
Result<void> RowStage::claim(Work& work, std::span<const Row> rows) {
  std::vector<Claims::Claim> claims;
  claims.reserve(rows.size());
  for (const Row& row : rows) {
    claims.push_back(
        {row.product.id, LineOrder::pack(work.object->index, work.attempt, row.offset)});
  }
  if (auto done = claims_.claim(claims); !done) return done;
  note_displaced(work, claims);
  // Lines of this very block that a later line of it replaced.
  std::vector<std::uint64_t> replaced;
  for (const auto& claim : claims) {
    if (claim.verdict != Claims::Verdict::kSuperseded && claim.other >= claims.front().order) {
      replaced.push_back(claim.other);
    }
  }
  std::sort(replaced.begin(), replaced.end());
  work.rows.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool same_object = LineOrder::object_of(claims[i].other) == work.object->index;
    if (std::binary_search(replaced.begin(), replaced.end(), claims[i].order)) {
      ++work.counts.superseded;
      continue;
    }
    if (claims[i].verdict == Claims::Verdict::kSuperseded) {
      ++work.counts.superseded;
      if (!same_object) work.object->complete = false;
      continue;
    }
    RowOnItsWay on_its_way;
    on_its_way.row = &rows[i];
    on_its_way.claim = claims[i];
    on_its_way.repeated = same_object && claims[i].other != 0;
    work.rows.push_back(on_its_way);
  }
  return {};
}

// Lines of other objects that gave way: an attempt that is begun anew may have taken their place
// with lines that are in the object no more.
void RowStage::note_displaced(const Work& work, std::span<const Claims::Claim> claims) {
  std::unordered_set<std::uint64_t> displacing;
  for (const auto& claim : claims) {
    if (claim.other == 0 || LineOrder::object_of(claim.other) == work.object->index) continue;
    const bool superseded = claim.verdict == Claims::Verdict::kSuperseded;
    displacing.insert(LineOrder::attempt_of(superseded ? claim.other : claim.order));
  }
  if (displacing.empty()) return;
  std::lock_guard lock(displaced_mutex_);
  displaced_.merge(displacing);
}

// The same where the other object was skipped, and so has claimed nothing.
void RowStage::note_taken_from_skipped(const Work& work) {
  for (const auto& row : work.rows) {
    const CacheEntry& entry = row.entry;
    if (entry.state != CacheEntry::State::kStored || entry.owner == work.object->id) continue;
    if (!catalogue_.is_skipped(entry.owner)) continue;
    std::lock_guard lock(displaced_mutex_);
    displaced_.insert(LineOrder::attempt_of(row.claim.order));
    return;
  }
}

bool RowStage::has_displaced(std::uint64_t object, std::uint64_t attempt) {
  std::lock_guard lock(displaced_mutex_);
  return displaced_.contains(LineOrder::attempt_of(LineOrder::pack(object, attempt, 0)));
}

Task<void> RowStage::look_up(Work& work) {
  std::vector<ProductId> ids;
  ids.reserve(work.rows.size());
  for (const auto& row : work.rows) ids.push_back(row.row->product.id);
  std::vector<CacheEntry> entries(ids.size());
  work.known = co_await cache_.find(ids, entries);
  if (!work.known) co_return;
  for (std::size_t i = 0; i < ids.size(); ++i) work.rows[i].entry = entries[i];
}

void RowStage::decide(Work& work, bool may_defer) {
  std::vector<RowOnItsWay> going_on;
  going_on.reserve(work.rows.size());
  for (std::size_t i = 0; i < work.rows.size(); ++i) {
    RowOnItsWay& row = work.rows[i];
    // An object is read once more when all that was written of it has been remembered.
    const bool settled =
        work.object->is_read_again &&
        LineOrder::attempt_of(row.claim.other) < LineOrder::attempt_of(row.claim.order) &&
        LineOrder::object_of(row.claim.other) == work.object->index;
    CompareFacts facts;
    facts.replaces_written = row.replaces_written() && !settled;
    facts.may_defer = may_defer;
    facts.recordable = work.object->recordable();
    if (row.entry.state == CacheEntry::State::kStored) {
      const bool differs = facts.replaces_written || row.entry.fingerprint != row.row->fingerprint;
      facts.owner = catalogue_.where(row.entry.owner, work.object->id, work.object->index, differs);
    }
    row.action = compare(row.row->fingerprint, row.entry, facts);
    if (row.action == Action::kDefer) {
      if (defer(work, row)) continue;
      // No room. Written, it would be replaced by the other one; and again at the next run.
      const bool left_out = facts.owner == OwnerIs::kSkippedLater && facts.recordable;
      row.action = left_out ? Action::kDrop : Action::kChange;
      if (left_out) work.object->left_out = true;
    }
    if (row.action == Action::kDrop) {
      ++work.counts.superseded;
      work.object->complete = false;
      continue;
    }
    // An equal row of an object listed later belongs to that one: this object cannot vouch for it.
    if (row.action == Action::kKeep && facts.owner != OwnerIs::kThisObject &&
        facts.owner != OwnerIs::kElsewhere) {
      work.object->complete = false;
    }
    if (row.action == Action::kKeep || row.action == Action::kTakeOver) ++work.counts.unchanged;
    going_on.push_back(row);
  }
  work.rows = std::move(going_on);
}

// Where hardly anything has changed, a row or two of a block would cost it five round trips to
// servers. They are put off and written with those of the other blocks.
void RowStage::put_off_few(Work& work) {
  if (options_.dry_run || !work.known) return;
  const auto can_wait = [](const RowOnItsWay& row) {
    return row.is_to_be_written() && !row.replaces_written();
  };
  const auto few =
      static_cast<std::size_t>(std::count_if(work.rows.begin(), work.rows.end(), can_wait));
  if (few == 0 || few * kFewOf > work.counts.lines || !may_put_off(work, few)) return;
  std::erase_if(work.rows,
                [&](const RowOnItsWay& row) { return can_wait(row) && defer(work, row); });
}

bool RowStage::may_put_off(const Work& work, std::size_t rows) {
  std::lock_guard lock(deferred_mutex_);
  if (put_off_rows_ + rows > kMaxPutOffRows) return false;
  if (put_off_objects_.size() == kMaxPutOffObjects &&
      !put_off_objects_.contains(work.object.get())) {
    return false;
  }
  put_off_rows_ += rows;
  put_off_objects_.insert(work.object.get());
  return true;
}

bool RowStage::defer(const Work& work, const RowOnItsWay& row) {
  const ProductView& product = row.row->product;
  std::size_t bytes = sizeof(Deferred) + product.title.size();
  for (const auto* text : {&product.category, &product.brand, &product.url, &product.description}) {
    if (*text) bytes += (*text)->size();
  }
  std::lock_guard lock(deferred_mutex_);
  if (deferred_bytes_ + bytes > options_.deferred_bytes) return false;
  deferred_bytes_ += bytes;
  ++work.object->deferred_rows;
  deferred_.push_back(
      {to_product(product), *row.row, row.claim, row.repeated, work.object, work.attempt, bytes});
  return true;
}

Task<Result<void>> RowStage::take(std::span<const Row> rows, std::shared_ptr<ObjectState> object,
                                  std::uint64_t attempt) {
  Work work;
  work.object = std::move(object);
  work.attempt = attempt;
  work.counts.lines = rows.size();
  auto claimed = claim(work, rows);
  if (!claimed) {
    work.object->complete = false;
    co_return std::unexpected(std::move(claimed.error()));
  }
  co_await look_up(work);
  decide(work, true);
  if (work.has_rows_to_write()) co_await make_clock_early();
  put_off_few(work);
  auto applied = co_await apply(work);
  if (!applied) work.object->complete = false;
  count(work, work.counts);
  co_return applied;
}

Task<Result<void>> RowStage::take_deferred() {
  std::vector<Deferred> all;
  {
    std::lock_guard lock(deferred_mutex_);
    all = std::exchange(deferred_, {});
    deferred_bytes_ = 0;
    put_off_rows_ = 0;
    put_off_objects_.clear();
  }
  // Blocks of several objects were worked on at the same time.
  std::stable_sort(all.begin(), all.end(), [](const Deferred& a, const Deferred& b) {
    return a.object->index < b.object->index;
  });
  constexpr std::size_t kBatch = 1000;
  for (std::size_t begin = 0; begin < all.size();) {
    Work work;
    work.object = all[begin].object;
    work.attempt = all[begin].attempt;
    std::size_t end = begin;
    while (end < all.size() && end - begin < kBatch && all[end].object == work.object &&
           all[end].attempt == work.attempt) {
      Deferred& deferred = all[end++];
      deferred.row.product = view_of(deferred.product);
      RowOnItsWay row;
      row.row = &deferred.row;
      row.claim = deferred.claim;
      row.repeated = deferred.repeated;
      work.rows.push_back(row);
    }
    const bool stale = work.attempt != work.object->attempt;
    const std::uint64_t rows = end - begin;
    if (!stale) {
      co_await look_up(work);
      decide(work, false);
      Result<void> applied;
      // A run would find out when it writes that the line they waited for came.
      if (options_.dry_run) applied = mark_written(work);
      if (applied) applied = co_await apply(work);
      if (!applied) {
        work.object->complete = false;
        co_return std::unexpected(std::move(applied.error()));
      }
      count(work, work.counts);
      // Those of an attempt that was begun anew are not among them any more.
      work.object->deferred_rows -= rows;
    }
    begin = end;
  }
  co_return Result<void>();
}

// Leaves what is to be written and is still the last of its id, and marks it.
Result<void> RowStage::mark_written(Work& work) {
  std::erase_if(work.rows, [](const RowOnItsWay& row) { return !row.is_to_be_written(); });
  std::vector<Claims::Claim> claims;
  claims.reserve(work.rows.size());
  for (const auto& row : work.rows) claims.push_back(row.claim);
  if (auto marked = claims_.mark_written(claims); !marked) return marked;
  note_displaced(work, claims);
  std::vector<RowOnItsWay> last;
  last.reserve(work.rows.size());
  for (std::size_t i = 0; i < work.rows.size(); ++i) {
    if (claims[i].verdict == Claims::Verdict::kSuperseded) {
      ++work.counts.superseded;
      if (LineOrder::object_of(claims[i].other) != work.object->index) {
        work.object->complete = false;
      }
    } else {
      last.push_back(work.rows[i]);
    }
  }
  work.rows = std::move(last);
  return {};
}

// Writes what is to be written and hands over what changes hands.
Task<Result<void>> RowStage::apply(Work& work) {
  if (options_.dry_run) {
    for (const auto& row : work.rows) {
      if (row.action == Action::kAdd) ++work.counts.added;
      if (row.action == Action::kChange) ++work.counts.changed;
    }
    co_return Result<void>();
  }
  co_await take_over(work);
  auto written = co_await write(work);
  co_return written;
}

Task<void> RowStage::take_over(Work& work) {
  std::vector<ProductId> ids;
  std::vector<CacheEntry> entries;
  for (const auto& row : work.rows) {
    if (row.action != Action::kTakeOver) continue;
    ids.push_back(row.row->product.id);
    entries.push_back(row.entry);
    entries.back().owner = work.object->id;
    entries.back().repeated = row.repeated;
  }
  if (ids.empty()) co_return;
  const auto refused = co_await cache_.remember(ids, entries, work.object->making());
  if (!refused || *refused > 0) work.object->complete = false;
}

// Tells the cache, before anything is written, that what it says of these rows will not hold any
// more. Killed between this and remember(), the next run writes them again. `time` is that of the
// coming write: newer afterwards than everything that the cache knows of these rows. False where
// the cache could not be told.
Task<bool> RowStage::make_dirty(Work& work, bool replaces_written, WriteTime& time) {
  std::vector<ProductId> ids;
  for (const auto& row : work.rows) {
    if (row.action == Action::kChange) ids.push_back(row.row->product.id);
  }
  if (!work.known || !cache_.on()) co_return false;
  if (ids.empty()) co_return true;
  // Once where nobody else writes these rows; again where another one's time was newer.
  constexpr int kMostTimes = 16;
  for (int i = 0; i < kMostTimes; ++i) {
    const auto newest = co_await cache_.forget(ids, work.object->making(), time);
    if (!newest) co_return false;
    if (*newest < time) co_return true;
    time = co_await clock_->next(*newest, replaces_written);
  }
  co_return false;
}

// Before the first write: a run that writes nothing does not ask the store for a number.
Task<Result<void>> RowStage::make_clock() {
  auto one_at_a_time = co_await clock_making_.acquire(1);
  if (clock_) co_return Result<void>();
  // Who waited for the one that asked does not wait as long again.
  if (auto there = store_is_there(); !there) co_return there;
  auto number = co_await store_.writer_number();
  if (number) {
    clock_.emplace(*number);
  } else if (number.error().code == ErrorCode::kUnauthorized) {
    warn_(
        "the store gives this job no number that keeps its write times apart from other jobs': run "
        "none on this table at the same time: " +
        number.error().describe());
    clock_.emplace();
  } else {
    co_return std::unexpected(note_failure(std::move(number.error())));
  }
  co_return Result<void>();
}

// By the first block that has something to write, while others are still read: what is put off is
// written at the end, where nothing else would be done meanwhile. write() tells an error.
Task<void> RowStage::make_clock_early() {
  if (options_.dry_run || clock_asked_for_.exchange(true)) co_return;
  const auto made = co_await make_clock();
  static_cast<void>(made);
}

Task<Result<void>> RowStage::write(Work& work) {
  if (!work.has_rows_to_write()) co_return Result<void>();
  // The ticket comes before the mark: whoever sees the mark and writes after us waits for this
  // ticket.
  const auto ticket = tickets_.take();
  auto marked = mark_written(work);
  if (!marked) co_return std::unexpected(std::move(marked.error()));
  if (work.rows.empty()) co_return Result<void>();
  note_taken_from_skipped(work);
  const bool replaces_written = std::ranges::any_of(work.rows, &RowOnItsWay::replaces_written);
  if (replaces_written) co_await tickets_.wait_before(ticket.number());
  if (auto there = store_is_there(); !there) co_return there;

  if (auto made = co_await make_clock(); !made) co_return made;
  WriteTime time = co_await clock_->next(0, replaces_written);
  const bool told = co_await make_dirty(work, replaces_written, time);
  if (!told) {
    auto disowned = co_await cache_.before_blind_write();
    if (!disowned) co_return std::unexpected(note_failure(std::move(disowned.error())));
  }
  std::vector<ProductView> products;
  products.reserve(work.rows.size());
  for (const auto& row : work.rows) products.push_back(row.row->product);
  const auto stored = std::make_unique<bool[]>(products.size());
  const std::span<bool> stored_span(stored.get(), products.size());
  if (auto there = store_is_there(); !there) co_return there;  // still
  has_written_ = true;
  auto saved = co_await store_.save_many(products, time, stored_span);
  if (!saved) saved = std::unexpected(note_failure(std::move(saved.error())));
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (!stored[i]) continue;
    ++work.counts.written;
    ++(work.rows[i].action == Action::kAdd ? work.counts.added : work.counts.changed);
  }
  if (told) {
    co_await remember(work, stored_span, time);
  } else {
    work.object->complete = false;
  }
  co_return saved;
}

Result<void> RowStage::store_is_there() {
  if (!store_has_failed_) return {};
  std::lock_guard lock(failure_mutex_);
  return std::unexpected(failure_);
}

Error RowStage::note_failure(Error error) {
  if (error.code == ErrorCode::kInvalid) store_has_refused_ = true;
  if (error.code != ErrorCode::kUnavailable) return error;
  std::lock_guard lock(failure_mutex_);
  if (!store_has_failed_.exchange(true)) failure_ = error;
  return error;
}

// Only acknowledged rows are remembered.
Task<void> RowStage::remember(Work& work, std::span<const bool> stored, WriteTime time) {
  std::vector<ProductId> ids;
  std::vector<CacheEntry> entries;
  ids.reserve(work.rows.size());
  entries.reserve(work.rows.size());
  for (std::size_t i = 0; i < work.rows.size(); ++i) {
    if (!stored[i]) continue;
    const auto& row = work.rows[i];
    ids.push_back(row.row->product.id);
    CacheEntry entry;
    entry.state = CacheEntry::State::kStored;
    entry.repeated = row.repeated;
    entry.fingerprint = row.row->fingerprint;
    entry.time = time;
    entry.owner = work.object->id;
    entries.push_back(entry);
  }
  if (ids.empty()) co_return;
  const auto refused = co_await cache_.remember(ids, entries, work.object->making());
  if (!refused || *refused > 0) work.object->complete = false;
}

}  // namespace dataflow::pipeline
