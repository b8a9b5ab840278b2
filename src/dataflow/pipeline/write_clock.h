// WriteClock: the write times of one job.
//
// Cassandra merges two versions of a row with equal write times cell by cell, so no two writes may
// share one. A time is a step of kStepUs microseconds plus the job's slot within it: ascending
// within a job, and different between jobs that run at the same time (a slot is drawn at random
// from kStepUs; two jobs with the same slot would also have to write the same row in the same
// step). Times follow the clock and run ahead of it only while a job asks for more than one a step.
#pragma once

#include <mutex>

#include "dataflow/product_service.h"

namespace dataflow::pipeline {

class WriteClock {
 public:
  static constexpr WriteTime kStepUs = 1024;

  // `slot`: 0 to kStepUs - 1.
  explicit WriteClock(WriteTime slot) : slot_(slot) {}
  // With a random slot.
  WriteClock();

  // A time later than every one before and later than `after`. Thread safe.
  WriteTime next(WriteTime after = 0);

 private:
  const WriteTime slot_;
  std::mutex mutex_;
  WriteTime last_step_ = 0;
};

}  // namespace dataflow::pipeline
