// Catalogue: the objects that this run has listed so far, by id.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "dataflow/fetch.h"
#include "dataflow/pipeline/compare.h"

namespace dataflow::pipeline {

// About 32 bytes an object. Beyond kMaxEntries nothing is noted: a row whose owner is not known is
// treated as one from elsewhere, which may cost a write. Thread safe.
//
// That an object is unchanged says that its rows are stored, and not that a row which came from it
// once is still in it: earlier versions of it may have lost rows. So where another version of such
// a row comes up, the object is wanted: it has to be read after all.
class Catalogue {
 public:
  static constexpr std::size_t kMaxEntries = 1'000'000;

  // False where a skipped object could not be noted as such, or where rows that came from it have
  // been replaced already: it has to be read.
  bool note(ObjectId id, std::uint64_t index, bool skipped) {
    std::lock_guard lock(mutex_);
    if (places_.size() >= kMaxEntries) return false;
    const bool replaced = unknown_.contains(id) || unknown_.size() >= kMaxEntries;
    places_[id] = {index, skipped && !replaced};
    return !(skipped && replaced);
  }

  // Where the owner of a row stands that has come up in object `self`. `differs`: with other
  // content, or it is to be written whatever its content.
  OwnerIs where(ObjectId owner, ObjectId self, std::uint64_t index, bool differs) {
    if (owner == self) return OwnerIs::kThisObject;
    std::lock_guard lock(mutex_);
    const auto found = places_.find(owner);
    if (found == places_.end()) {
      if (differs && unknown_.size() < kMaxEntries) unknown_.insert(owner);
      return OwnerIs::kElsewhere;
    }
    if (found->second.index < index) return OwnerIs::kElsewhere;
    if (!found->second.skipped) return OwnerIs::kListedLater;
    if (differs) wanted_.insert(owner);
    return OwnerIs::kSkippedLater;
  }

  // The skipped objects that are wanted since the last call.
  std::unordered_set<ObjectId> take_wanted() {
    std::lock_guard lock(mutex_);
    return std::exchange(wanted_, {});
  }

  // The index of an object that was skipped, and is now read after all; nullopt for others.
  std::optional<std::uint64_t> take_skipped(ObjectId id) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(id);
    if (found == places_.end() || !found->second.skipped) return std::nullopt;
    found->second.skipped = false;
    return found->second.index;
  }

 private:
  struct Place {
    std::uint64_t index;
    bool skipped;
  };
  std::mutex mutex_;
  std::unordered_map<ObjectId, Place> places_;
  std::unordered_set<ObjectId> wanted_;
  std::unordered_set<ObjectId> unknown_;  // owners of replaced rows that were not noted by then
};

}  // namespace dataflow::pipeline
