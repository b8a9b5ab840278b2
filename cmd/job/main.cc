// job: loads product files into the store. Arguments to App to exit code, and nothing else.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <span>
#include <system_error>
#include <variant>

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
}

constexpr const char* kMoreNeeded =
    "error: the job cannot go on: %s; allow it more memory and threads (ulimit -a)\n";
constexpr const char* kDefect =
    "error: the job ended unexpectedly: %s; what it stored is stored, run it again; this is a "
    "defect: please report it\n";

// In whatever library it was: what has been stored is stored, and nothing can be waited for in
// order.
[[noreturn]] void tell_and_end() noexcept {
  try {
    if (const auto exception = std::current_exception()) std::rethrow_exception(exception);
    std::fprintf(stderr, kDefect, "a part of it ended before the others");
  } catch (const std::bad_alloc& e) {
    std::fprintf(stderr, kMoreNeeded, e.what());
  } catch (const std::system_error& e) {  // a thread that could not be started
    std::fprintf(stderr, kMoreNeeded, e.what());
  } catch (const std::exception& e) {
    std::fprintf(stderr, kDefect, e.what());
  } catch (...) {
    std::fprintf(stderr, kDefect, "of no known kind");
  }
  std::_Exit(dataflow::cmd::kExitFailed);
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(tell_and_end);
  using namespace dataflow::cmd;
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
