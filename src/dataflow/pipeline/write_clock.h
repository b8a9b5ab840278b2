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
// - Jobs at the same time differ by their slots: a slot is the writer's number that the store gave
// (ProductService::writer_number). Where the store gives none it is drawn at random, and two jobs
// in 1024 that write the same row in the same step mix its cells.
#pragma once

#include <cstdint>
#include <mutex>

#include "dataflow/product_service.h"
#include "dataflow/task.h"

namespace dataflow::pipeline {

class WriteClock {
 public:
  static constexpr WriteTime kStepUs{ProductService::kWritersApart};

  // Of the writer with this number.
  explicit WriteClock(std::uint64_t writer);
  // Of one that has none.
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
