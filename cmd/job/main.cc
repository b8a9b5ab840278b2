// job: loads product files into the store. Arguments to App to exit code, and nothing else.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <span>
#include <variant>

#include "cmd/common/process.h"
#include "cmd/job/app.h"

int main(int argc, char** argv) {
  using namespace dataflow::cmd;
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
