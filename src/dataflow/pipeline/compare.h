// Compare: what is to be done with a row, given what the cache knows of it.
#pragma once

#include <cstdint>

#include "dataflow/cache.h"

namespace dataflow::pipeline {

enum class Action : std::uint8_t {
  kAdd,       // nothing is known of it: write
  kChange,    // something else is known, or it is uncertain what the store holds: write
  kKeep,      // the store holds just this
  kTakeOver,  // the store holds just this, but from another object: the entry changes hands
  kDefer,     // another line of this run probably holds the version that counts: see later
  kDrop,      // an object listed later may hold the version that counts, and was not read
};

// Where the object that a row came from last time stands in this run.
enum class OwnerIs : std::uint8_t {
  kElsewhere,  // not in this run, listed before, or not known
  kThisObject,
  kListedLater,   // and read in this run
  kSkippedLater,  // listed later and skipped so far, because the store holds all of it
};

struct CompareFacts {
  bool replaces_written =
      false;  // an earlier line of this run was written: the entry may be older than that
  bool may_defer = false;   // there is room for rows that wait
  bool recordable = false;  // the row's object can have a record
  OwnerIs owner = OwnerIs::kElsewhere;
};

Action compare(const Fingerprint& fingerprint, const CacheEntry& entry, const CompareFacts& facts);

}  // namespace dataflow::pipeline
