// job: loads product files into the store. Arguments to App to exit code, and nothing else.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <span>
#include <variant>

#include "cmd/common/cpus.h"
#include "cmd/common/ending.h"
#include "cmd/common/process.h"
#include "cmd/job/app.h"

namespace {

// Blocks and ranges of objects come and go thousands of times a second: what they took is used
// again, instead of being given back to the system and fetched from it page by page (a tenth of the
// job's CPU where nothing has changed). How much it is at most, the pipeline's budgets say.
void keep_freed_memory() {
  constexpr int kLargestKept = 32 << 20;  // the most that glibc allows
  mallopt(M_MMAP_THRESHOLD, kLargestKept);
  mallopt(M_TRIM_THRESHOLD, 2 * kLargestKept);
  // As many pools of it as threads that work at a time: glibc's own number is eight for each CPU,
  // and each keeps what is free in it to itself.
  mallopt(M_ARENA_MAX, static_cast<int>(dataflow::cmd::usable_cpus()));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace dataflow::cmd;
  end_in_words("the job", "what it stored is stored, run it again", kExitFailed);
  // Not every library is as it should be after an allocation that failed.
  end_where_memory_ends();
  keep_freed_memory();
  start_logging();
  keep_memory_private();
  survive_failed_writes();
  raise_open_files_limit();
  const std::span<const char* const> arguments(argv + 1, argc > 0 ? argc - 1 : 0);
  auto parsed = parse_job_arguments(arguments, process_environment(), std::cout, std::cerr);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  App app(std::move(std::get<JobArguments>(parsed)));
  const int code = app.run();
  if (app.stopped_early()) {
    // A read that nobody waits for any more may never end.
    std::fflush(nullptr);
    std::_Exit(code);
  }
  return code;
}
