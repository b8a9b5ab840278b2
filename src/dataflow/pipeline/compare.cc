#include "dataflow/pipeline/compare.h"

namespace dataflow::pipeline {

Action compare(const Fingerprint& fingerprint, const CacheEntry& entry, const CompareFacts& facts) {
  if (facts.replaces_written) return Action::kChange;
  if (entry.state == CacheEntry::State::kAbsent) return Action::kAdd;
  if (entry.state == CacheEntry::State::kDirty) return Action::kChange;
  if (entry.fingerprint == fingerprint) {
    const bool elsewhere = facts.owner == OwnerIs::kElsewhere;
    return elsewhere && facts.recordable ? Action::kTakeOver : Action::kKeep;
  }
  // It is read after all, and holds the version that counts unless it has lost the row: see later.
  if (facts.owner == OwnerIs::kSkippedLater) {
    return facts.may_defer ? Action::kDefer : Action::kDrop;
  }
  // The version that counted last time came from a later line: probably it does again.
  const bool later_line = facts.owner == OwnerIs::kListedLater ||
                          (facts.owner == OwnerIs::kThisObject && entry.repeated);
  return later_line && facts.may_defer ? Action::kDefer : Action::kChange;
}

}  // namespace dataflow::pipeline
