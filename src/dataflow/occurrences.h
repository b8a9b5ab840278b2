// Occurrences: which line of this run is the last one seen of each product. The pipeline asks it to
// keep "the last line wins" across blocks and files whatever the timing is. `rocksdb` implements
// one for runs that see more products than fit into memory.
//
// An Occurrences is made for one run, begins empty and is gone with its object; nothing of it
// survives a crash. Its memory is bounded, however many products it is told of.
//
// Synchronous: calls return when they are done and may take as long as a disk takes. Thread safety:
// the caller holds its own lock over the ids of a call (one for each shard of them); calls for
// different ids may run at the same time from any thread. Errors: kUnavailable (no room or no
// access where it keeps its data), kInternal (what it kept is damaged). After an error of put(),
// each of its ids may or may not have been taken over.
#pragma once

#include <cstdint>
#include <span>

#include "dataflow/error.h"
#include "dataflow/product.h"

namespace dataflow {

class Occurrences {
 public:
  virtual ~Occurrences() = default;

  struct Seen {
    std::uint64_t order = 0;  // of the line among all lines of the run, from 1; 0: not seen
    bool written = false;     // whether that line's row was given to the store

    friend bool operator==(const Seen&, const Seen&) = default;
  };

  // What was put last for each id: seen[i] for ids[i]. An id may stand there twice.
  virtual Result<void> get(std::span<const ProductId> ids, std::span<Seen> seen) = 0;

  // Replaces what is kept of each id: seen[i] for ids[i]. Of an id that stands there twice the last
  // counts.
  virtual Result<void> put(std::span<const ProductId> ids, std::span<const Seen> seen) = 0;
};

}  // namespace dataflow
