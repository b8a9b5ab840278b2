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
  // come up already, and may have changed hands: it has to be read.
  bool note(ObjectId id, std::uint64_t index, bool skipped) {
    std::lock_guard lock(mutex_);
    if (places_.size() >= kMaxEntries) return false;
    const bool replaced = unknown_.contains(id) || unknown_.size() >= kMaxEntries;
    places_[id] = {.index = index, .skipped = skipped && !replaced};
    return !(skipped && replaced);
  }

  // Where the owner of a row stands that has come up in object `self`. `differs`: with other
  // content, or it is to be written whatever its content.
  OwnerIs where(ObjectId owner, ObjectId self, std::uint64_t index, bool differs) {
    if (owner == self) return OwnerIs::kThisObject;
    std::lock_guard lock(mutex_);
    const auto found = places_.find(owner);
    if (found == places_.end()) {
      // With the same content it changes hands, which nobody would see who asked for it next.
      if (unknown_.size() < kMaxEntries) unknown_.insert(owner);
      return OwnerIs::kElsewhere;
    }
    if (found->second.index < index) return OwnerIs::kElsewhere;
    if (!found->second.skipped) return OwnerIs::kListedLater;
    if (differs && !found->second.taken) wanted_.insert(owner);
    return OwnerIs::kSkippedLater;
  }

  // Whether this object is listed, and has not been read: its lines have claimed nothing.
  bool is_skipped(ObjectId id) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(id);
    return found != places_.end() && found->second.skipped;
  }

  // The skipped objects that are wanted since the last call.
  std::unordered_set<ObjectId> take_wanted() {
    std::lock_guard lock(mutex_);
    return std::exchange(wanted_, {});
  }

  // The index of an object that was skipped, and is to be read after all, which is told once;
  // nullopt for others.
  std::optional<std::uint64_t> take_skipped(ObjectId id) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(id);
    if (found == places_.end() || !found->second.skipped || found->second.taken) {
      return std::nullopt;
    }
    found->second.taken = true;
    return found->second.index;
  }

  // All of the object's lines have claimed their ids: it counts as skipped until then.
  void was_read(ObjectId id) {
    std::lock_guard lock(mutex_);
    const auto found = places_.find(id);
    if (found != places_.end()) found->second.skipped = false;
  }

 private:
  struct Place {
    std::uint64_t index = 0;
    bool skipped = false;
    bool taken = false;  // by take_skipped()
  };
  std::mutex mutex_;
  std::unordered_map<ObjectId, Place> places_;
  std::unordered_set<ObjectId> wanted_;
  std::unordered_set<ObjectId> unknown_;  // owners that came up before they were noted
};

}  // namespace dataflow::pipeline
