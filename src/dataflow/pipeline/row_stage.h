// RowStage: compares the rows of a block with the cache, writes those that are new or changed, and
// remembers them after the store's acknowledgement.
//
// The order of things is what makes the promises hold; each step says why where it stands, and so
// they stand in one file, long as it is. Thread safe: blocks are worked on at the same time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <unordered_set>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/pipeline/budget.h"
#include "dataflow/pipeline/catalogue.h"
#include "dataflow/pipeline/claims.h"
#include "dataflow/pipeline/compare.h"
#include "dataflow/pipeline/guarded_cache.h"
#include "dataflow/pipeline/object_state.h"
#include "dataflow/pipeline/options.h"
#include "dataflow/pipeline/progress.h"
#include "dataflow/pipeline/row.h"
#include "dataflow/pipeline/tickets.h"
#include "dataflow/pipeline/write_clock.h"
#include "dataflow/product_service.h"

namespace dataflow::pipeline {

struct RowOnItsWay;

class RowStage {
 public:
  // All references outlive the stage.
  RowStage(const Options& options, ProductService& store, GuardedCache& cache, Catalogue& catalogue,
           Claims& claims, Progress& progress, Warn warn);
  ~RowStage();

  // Takes the rows of one block. The rows (and what they point into) stay valid until the task is
  // done. Errors are the store's, or the disk's under the claims.
  Task<Result<void>> take(std::span<const Row> rows, std::shared_ptr<ObjectState> object,
                          std::uint64_t attempt);

  // Whether lines of this attempt took the place of another object's lines.
  bool has_displaced(std::uint64_t object, std::uint64_t attempt);

  // Whether the store was told to write anything, acknowledged or not.
  bool has_written() const { return has_written_; }
  // Whether it refused to (kInvalid): the table may be gone.
  bool store_has_refused() const { return store_has_refused_; }
  // Whether it was not there any more (kUnavailable). Nothing is begun to be written afterwards:
  // every write would wait for it as long as the first one did.
  bool store_has_failed() const { return store_has_failed_; }

  // Decides the rows that were put off. To be called when every block of the run has been taken.
  Task<Result<void>> take_deferred();

 private:
  struct Work;
  struct Deferred;

  Result<void> claim(Work& work, std::span<const Row> rows);
  void note_displaced(const Work& work, std::span<const Claims::Claim> claims);
  void note_taken_from_skipped(const Work& work);
  Result<void> mark_written(Work& work);
  Task<void> look_up(Work& work);
  void decide(Work& work, bool may_defer);
  void put_off_few(Work& work);
  bool may_put_off(const Work& work, std::size_t rows);
  bool defer(const Work& work, const RowOnItsWay& row);
  Task<Result<void>> apply(Work& work);
  Task<Result<void>> write(Work& work);
  Task<Result<void>> make_clock();
  Task<void> make_clock_early();
  Task<bool> make_dirty(Work& work, bool replaces_written, WriteTime& time);
  Task<void> remember(Work& work, std::span<const bool> stored, WriteTime time);
  Task<void> take_over(Work& work);
  Result<void> store_is_there();
  Error note_failure(Error error);
  void count(Work& work, const Counts& counts);

  const Options& options_;
  ProductService& store_;
  GuardedCache& cache_;
  Catalogue& catalogue_;
  Claims& claims_;
  Progress& progress_;
  const Warn warn_;
  Tickets tickets_;
  std::atomic<bool> has_written_ = false;
  std::atomic<bool> store_has_refused_ = false;
  std::atomic<bool> store_has_failed_ = false;
  std::mutex failure_mutex_;
  Error failure_;  // where store_has_failed_

  std::atomic<bool> clock_asked_for_ = false;
  Budget clock_making_{1};
  std::optional<WriteClock> clock_;  // there from the first write on

  std::mutex displaced_mutex_;
  std::unordered_set<std::uint64_t> displaced_;  // LineOrder::attempt_of whom lines gave way to

  std::mutex deferred_mutex_;
  std::vector<Deferred> deferred_;
  std::size_t deferred_bytes_ = 0;
  std::size_t put_off_rows_ = 0;
  std::set<const ObjectState*> put_off_objects_;
};

}  // namespace dataflow::pipeline
