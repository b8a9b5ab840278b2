// Progress: what a run has done so far, counted as it goes; and Summary, what it has done at its
// end.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/pipeline/rejects.h"

namespace dataflow::pipeline {

// lines = added + changed + unchanged + superseded + rejected, once a run is over.
struct Counts {
  std::uint64_t lines = 0;       // not blank
  std::uint64_t added = 0;       // rows that the cache did not know
  std::uint64_t changed = 0;     // rows that it knew with other content
  std::uint64_t unchanged = 0;   // rows that it knew just so
  std::uint64_t superseded = 0;  // rows of which a later line of the run holds another version
  std::uint64_t rejected = 0;    // lines that are no products
  std::uint64_t written = 0;     // rows that the store acknowledged
  std::uint64_t bytes = 0;       // read, decompressed

  Counts& operator+=(const Counts& other);
  Counts& operator-=(const Counts& other);
};

class Progress {
 public:
  std::atomic<std::uint64_t> files{0}, objects_skipped{0};

  void add(const Counts& counts);
  void subtract(const Counts& counts);
  Counts counts() const;

 private:
  std::atomic<std::uint64_t> lines_{0}, added_{0}, changed_{0}, unchanged_{0}, superseded_{0},
      rejected_{0}, written_{0}, bytes_{0};
};

// Why a run stopped before its end.
enum class Stop { kNone, kInterrupted, kMaxErrors, kFailed };

struct Summary {
  std::uint64_t files = 0;            // found in the sources, read or skipped
  std::uint64_t objects_skipped = 0;  // not read, because unchanged
  Counts counts;
  Stop stop = Stop::kNone;
  std::vector<Error> errors;  // sources and servers that failed for good
  Rejects::Kept rejects;      // where the rejected lines are
};

}  // namespace dataflow::pipeline
