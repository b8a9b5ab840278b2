// Catalogue: the objects that this run has listed so far, by id.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "dataflow/fetch.h"
#include "dataflow/pipeline/compare.h"

namespace dataflow::pipeline {

// About 32 bytes an object. Beyond kMaxEntries nothing is noted: a row whose owner is not known is
// treated as one from elsewhere, which may cost a write. Thread safe.
class Catalogue {
 public:
  static constexpr std::size_t kMaxEntries = 1'000'000;

  // True if noted; a skipped object must be, or it has to be read.
  bool note(ObjectId id, std::uint64_t index, bool skipped) {
    std::lock_guard lock(mutex_);
    if (places_.size() >= kMaxEntries) return false;
    places_[id] = {index, skipped};
    return true;
  }

  OwnerIs where(ObjectId owner, ObjectId self, std::uint64_t index) const {
    if (owner == self) return OwnerIs::kThisObject;
    std::lock_guard lock(mutex_);
    const auto found = places_.find(owner);
    if (found == places_.end() || found->second.index < index) return OwnerIs::kElsewhere;
    return found->second.skipped ? OwnerIs::kSkippedLater : OwnerIs::kListedLater;
  }

  // The index of an object that was skipped; nullopt for others.
  std::optional<std::uint64_t> skipped(ObjectId id) const {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(id);
    if (found == places_.end() || !found->second.skipped) return std::nullopt;
    return found->second.index;
  }

 private:
  struct Place {
    std::uint64_t index;
    bool skipped;
  };
  mutable std::mutex mutex_;
  std::unordered_map<ObjectId, Place> places_;
};

}  // namespace dataflow::pipeline
