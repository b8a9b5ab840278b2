// WriteClock: the write times of one job.
//
// Cassandra merges two versions of a row with equal write times cell by cell, so two versions never
// share one. A time is a step of kStepUs microseconds plus the job's slot within it:
// - Writes of different rows may share a time. A write that replaces one of this job gets a later
// step.
// - Times never run ahead of the clock (else a run without a cache could write before the run
// before it), except
//   behind a time that another host's clock has set. Where a later step is needed, next() waits for
//   it.
// - Jobs at the same time differ by their slots, drawn at random: two with the same slot would also
// have to write
//   the same row in the same step.
#pragma once

#include <mutex>

#include "dataflow/product_service.h"
#include "dataflow/task.h"

namespace dataflow::pipeline {

class WriteClock {
 public:
  static constexpr WriteTime kStepUs = 1024;

  // `slot`: 0 to kStepUs - 1.
  explicit WriteClock(WriteTime slot);
  // With a random slot.
  WriteClock();

  // A time later than `after` and than the clock when this object was made; with `replaces` also
  // later than every time given before. Thread safe.
  Task<WriteTime> next(WriteTime after, bool replaces);

 private:
  const WriteTime slot_;
  const WriteTime first_step_;
  std::mutex mutex_;
  WriteTime last_step_ = 0;
};

}  // namespace dataflow::pipeline
