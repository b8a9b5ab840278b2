// microservice: serves products over HTTP. Arguments to App to exit code, and nothing else.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "cmd/common/ending.h"
#include "cmd/common/line_writer.h"
#include "cmd/common/process.h"
#include "cmd/microservice/app.h"

int main(int argc, char** argv) {
  using namespace dataflow::cmd;
  end_in_words("the service", "start it again", kExitFailed);
  if (!has_terminal()) survive_hangups();  // already before there is anything to read again
  // A standard error that nobody reads costs lines, and no request.
  const auto log = std::make_shared<LineWriter>(STDERR_FILENO);
  start_logging([log](std::string& line) { log->write(line); });
  keep_memory_private();
  survive_failed_writes();
  const std::span<const char* const> arguments(argv + 1, argc > 0 ? argc - 1 : 0);
  auto parsed = parse_service_arguments(arguments, process_environment(), std::cout, std::cerr);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  App app(std::move(std::get<ServiceArguments>(parsed)));
  const int code = app.run();
  if (!has_terminal()) survive_hangups();  // to the end
  log->end();
  if (!app.is_clean()) {
    // A store that does not answer may do so later, into what would be gone.
    std::fflush(nullptr);
    std::_Exit(code);
  }
  return code;
}
