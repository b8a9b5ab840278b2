// The pipeline's limits and switches; the defaults are those of the job.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dataflow::pipeline {

struct Options {
  bool dry_run = false;             // tell what would be done, write nothing to store or cache
  std::uint64_t max_errors = 1000;  // rejected lines that are borne; one more stops the run
  std::string rejects = "rejects.jsonl";  // empty: they are counted and told of, and not kept
  std::size_t block_bytes = 256 * 1024;
  std::size_t max_line_bytes = 16 * 1024 * 1024;
  std::uint64_t max_inflated_bytes = std::uint64_t{64} << 30;  // of one compressed object
  std::uint64_t max_rejects_bytes = std::uint64_t{16} << 30;   // of all rejected lines on disk
  std::size_t objects_in_flight = 16;                          // objects read at the same time
  std::size_t buffer_bytes = 16 * 1024 * 1024;                 // of all blocks in flight together
  std::size_t claims_memory_bytes = 32 * 1024 * 1024;          // ids of the run; more go to disk
  std::size_t deferred_bytes = 16 * 1024 * 1024;  // rows that wait for the end of the run
};

}  // namespace dataflow::pipeline
