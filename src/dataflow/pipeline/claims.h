// Claims: which line of this run is the last one seen for each id.
//
// Within a file the last line of an id counts, across files the file listed last, whatever the
// order in which blocks are worked on. Every row is claimed before it is compared; a row that has
// been superseded by then is dropped, and a row that was superseded while it was compared is
// dropped by mark_written(). A row that takes the place of one that was already marked has to be
// written, whatever the cache says, and after it.
//
// Memory: 16 bytes for a place in a table that is kept at most 3/4 full, up to a limit; beyond it
// everything moves to a spill (Occurrences) on disk. When that fails, every later call fails the
// same way. Thread safe; calls take a lock for a block's rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/occurrences.h"
#include "dataflow/product.h"

namespace dataflow::pipeline {

// Where a line stands in the run: lines compare as object index, attempt at the object, offset.
class LineOrder {
 public:
  static constexpr std::uint64_t kMaxObjects = (std::uint64_t{1} << 24) - 1;
  static constexpr std::uint64_t kMaxAttempts = 4;
  // A row's line has at least 16 bytes, so 16 bytes are one step: 2 TiB an object before places are
  // shared.
  static constexpr std::uint64_t kMaxOffset = (std::uint64_t{1} << 41) - 1;

  // `object` from 1, `attempt` from 0.
  static std::uint64_t pack(std::uint64_t object, std::uint64_t attempt, std::uint64_t offset) {
    return object << 39 | attempt << 37 | (offset > kMaxOffset ? kMaxOffset : offset) >> 4;
  }
  static std::uint64_t object_of(std::uint64_t order) { return order >> 39; }
  // Of all lines of one attempt at one object.
  static std::uint64_t attempt_of(std::uint64_t order) { return order >> 37; }
};

class Claims {
 public:
  using MakeSpill = std::function<Result<std::unique_ptr<Occurrences>>()>;

  enum class Verdict : std::uint8_t {
    kLast,             // the last line of this id so far, none was written before
    kReplacesWritten,  // the last line so far; an earlier one has been or is being written
    kSuperseded,       // a later line of this id has been seen
  };

  struct Claim {
    ProductId id = 0;
    std::uint64_t order = 0;
    Verdict verdict = Verdict::kLast;
    std::uint64_t other =
        0;  // the order of the line that this one replaces or is superseded by; 0: none
  };

  // `memory_bytes`: of the table; what lies beyond it goes to what `make_spill` makes.
  Claims(std::size_t memory_bytes, MakeSpill make_spill);
  ~Claims();

  // So many more ids may come: makes room for them at once, within the limit, instead of growing
  // while everybody waits. A guess does.
  void expect(std::uint64_t ids);

  // Claims ids for their lines, in this order, and tells the verdicts.
  Result<void> claim(std::span<Claim> claims);

  // Marks lines as being written, if they are still the last of their ids: else their verdict is
  // kSuperseded.
  Result<void> mark_written(std::span<Claim> claims);

  // Distinct ids seen.
  std::uint64_t size() const { return size_; }
  bool spilled() const { return spill_ != nullptr; }

 private:
  struct Slot {
    std::uint64_t id_and_one;  // 0: empty
    std::uint64_t state;       // order << 1 | written

    bool empty() const { return id_and_one == 0; }
    ProductId id() const { return static_cast<ProductId>(id_and_one - 1); }
    void taken_by(ProductId id) { id_and_one = static_cast<std::uint64_t>(id) + 1; }
  };
  class Table;

  Result<void> claim_spilled(std::span<Claim> claims);
  Result<void> mark_spilled(std::span<Claim> claims);
  Result<void> move_to_spill();
  void grow(std::size_t slots);

  const std::size_t max_slots_;
  const MakeSpill make_spill_;
  std::mutex mutex_;
  std::uint64_t size_ = 0;
  std::uint64_t expected_ = 0;
  std::unique_ptr<Table> table_;
  std::unique_ptr<Occurrences> spill_;
  // An error once not all could be moved: what has been seen is then no longer known.
  Result<void> moved_;
};

}  // namespace dataflow::pipeline
