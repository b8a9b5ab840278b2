#include "dataflow/pipeline/claims.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>
#include <unordered_map>
#include <utility>

namespace dataflow::pipeline {

namespace {

constexpr std::size_t kFirstSlots = 1024;

std::uint64_t mixed(ProductId id) {
  // The finaliser of MurmurHash3: neighbouring ids spread over the table.
  auto h = static_cast<std::uint64_t>(id);
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ULL;
  return h ^ (h >> 33);
}

// What a claim of `order` makes of what has been seen of its id.
void decide(Claims::Claim& claim, Occurrences::Seen& seen) {
  if (seen.order > claim.order) {
    claim.verdict = Claims::Verdict::kSuperseded;
    claim.other = seen.order;
    return;
  }
  claim.verdict = seen.written ? Claims::Verdict::kReplacesWritten : Claims::Verdict::kLast;
  claim.other = seen.order;
  seen.order =
      claim.order;  // `written` stays: also the line after the next one replaces what was written
}

void decide_mark(Claims::Claim& claim, Occurrences::Seen& seen) {
  if (seen.order > claim.order) {
    claim.verdict = Claims::Verdict::kSuperseded;
    claim.other = seen.order;
  } else {
    seen.written = true;
  }
}

}  // namespace

// Open addressing with linear probing. An empty slot is all zero, as the system gives memory out:
// what is never used is never touched. Rows come in no order, so that each one is a miss in the
// tables of pages if these are small: large ones are asked for.
class Claims::Table {
 public:
  explicit Table(std::size_t slots)
      : bytes_(slots * sizeof(Slot)),
        slots_(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
        mask_(slots - 1) {
    if (slots_ == MAP_FAILED) throw std::bad_alloc();
    ::madvise(slots_, bytes_, MADV_HUGEPAGE);  // advice: where there are none, small ones do
  }
  ~Table() { ::munmap(slots_, bytes_); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  std::size_t capacity() const { return mask_ + 1; }
  std::span<Slot> slots() const { return {static_cast<Slot*>(slots_), capacity()}; }

  // Begins to read what at(id) will look at: a block's ids are all over the table.
  void prefetch(ProductId id) const { __builtin_prefetch(&slots()[mixed(id) & mask_], 1); }

  // The id's slot, or the empty one that is to become it.
  Slot& at(ProductId id) {
    const std::span<Slot> all = slots();
    std::size_t i = mixed(id) & mask_;
    while (!all[i].empty() && all[i].id() != id) i = (i + 1) & mask_;
    return all[i];
  }

  // Gives the memory of the first so many slots back to the system; they are not looked at again.
  void release(std::size_t count) { ::madvise(slots_, count * sizeof(Slot), MADV_DONTNEED); }

 private:
  const std::size_t bytes_;
  void* const slots_;
  const std::size_t mask_;
};

Claims::Claims(std::size_t memory_bytes, MakeSpill make_spill)
    : max_slots_(std::bit_floor(std::max(memory_bytes / sizeof(Slot), kFirstSlots))),
      make_spill_(std::move(make_spill)),
      table_(std::make_unique<Table>(kFirstSlots)) {}

Claims::~Claims() = default;

Result<void> Claims::claim(std::span<Claim> claims) {
  std::lock_guard lock(mutex_);
  if (!moved_) return moved_;
  if (table_ != nullptr) {
    for (const Claim& claim : claims) table_->prefetch(claim.id);
  }
  for (std::size_t i = 0; i < claims.size(); ++i) {
    if (spill_ == nullptr && size_ >= table_->capacity() / 4 * 3) {
      if (table_->capacity() * 2 > max_slots_) {
        if (moved_ = move_to_spill(); !moved_) return moved_;
      } else {
        grow(table_->capacity() * 2);
      }
    }
    if (spill_ != nullptr) return claim_spilled(claims.subspan(i));
    Slot& slot = table_->at(claims[i].id);
    if (slot.empty()) {
      slot.taken_by(claims[i].id);
      ++size_;
    }
    Occurrences::Seen seen{slot.state >> 1, (slot.state & 1) != 0};
    decide(claims[i], seen);
    slot.state = seen.order << 1 | (seen.written ? 1 : 0);
  }
  return {};
}

void Claims::grow(std::size_t slots) {
  auto larger = std::make_unique<Table>(slots);
  for (const Slot& slot : table_->slots()) {
    if (!slot.empty()) larger->at(slot.id()) = slot;
  }
  table_ = std::move(larger);
}

void Claims::expect(std::uint64_t ids) {
  std::lock_guard lock(mutex_);
  expected_ += std::min<std::uint64_t>(ids, max_slots_ - expected_);
  // Kept at most 3/4 full, as by claim().
  const std::size_t slots = std::min(std::bit_ceil(expected_ + expected_ / 3 + 1), max_slots_);
  if (table_ != nullptr && slots > table_->capacity()) grow(slots);
}

Result<void> Claims::mark_written(std::span<Claim> claims) {
  std::lock_guard lock(mutex_);
  if (!moved_) return moved_;
  if (spill_ != nullptr) return mark_spilled(claims);
  for (Claim& claim : claims) {
    Slot& slot = table_->at(claim.id);
    Occurrences::Seen seen{slot.state >> 1, (slot.state & 1) != 0};
    decide_mark(claim, seen);
    slot.state = seen.order << 1 | (seen.written ? 1 : 0);
  }
  return {};
}

Result<void> Claims::move_to_spill() {
  auto spill = make_spill_();
  if (!spill) return std::unexpected(std::move(spill.error()));
  constexpr std::size_t kBatch = 4096;
  constexpr std::size_t kPageSlots = (std::size_t{2} << 20) / sizeof(Slot);  // of a large page
  std::vector<ProductId> ids;
  std::vector<Occurrences::Seen> seen;
  auto put = [&]() -> Result<void> {
    auto done = (*spill)->put(ids, seen);
    ids.clear();
    seen.clear();
    return done;
  };
  const std::span<const Slot> slots = table_->slots();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].empty()) {
      ids.push_back(slots[i].id());
      seen.push_back({slots[i].state >> 1, (slots[i].state & 1) != 0});
    }
    if (ids.size() < kBatch && i + 1 < slots.size()) continue;
    if (auto done = put(); !done) return done;
    // What the spill begins to take, the table no longer does.
    table_->release(i / kPageSlots * kPageSlots);
  }
  spill_ = std::move(*spill);
  table_.reset();
  return {};
}

namespace {

// Reads the batch's ids, lets `step` decide each claim in order, and puts back what was seen. An id
// may stand in the batch more than once.
template <class Step>
Result<void> through_spill(Occurrences& spill, std::span<Claims::Claim> claims, Step step) {
  std::vector<ProductId> ids;
  std::unordered_map<ProductId, std::size_t> place;
  for (const auto& claim : claims) {
    if (place.emplace(claim.id, ids.size()).second) ids.push_back(claim.id);
  }
  std::vector<Occurrences::Seen> seen(ids.size());
  if (auto got = spill.get(ids, seen); !got) return got;
  for (auto& claim : claims) step(claim, seen[place[claim.id]]);
  return spill.put(ids, seen);
}

}  // namespace

Result<void> Claims::claim_spilled(std::span<Claim> claims) {
  return through_spill(*spill_, claims, [this](Claim& claim, Occurrences::Seen& seen) {
    if (seen.order == 0) ++size_;
    decide(claim, seen);
  });
}

Result<void> Claims::mark_spilled(std::span<Claim> claims) {
  return through_spill(*spill_, claims, decide_mark);
}

}  // namespace dataflow::pipeline
