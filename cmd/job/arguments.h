// What the command line of job says, together with the configuration.
#pragma once

#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cmd/common/config.h"

namespace dataflow::cmd {

struct JobArguments {
  Config config;
  std::vector<std::string> sources;  // never empty, but for provision
  std::size_t concurrency = 1;       // threads
  bool dry_run = false;
  bool use_cache = true;
  std::optional<std::string> report;
  bool provision = false;
  std::string replication = "1";
};

// The arguments, or the exit code after help or an error was written.
std::variant<JobArguments, int> parse_job_arguments(std::span<const char* const> arguments,
                                                    const Environment& environment,
                                                    std::ostream& out, std::ostream& err);

}  // namespace dataflow::cmd
