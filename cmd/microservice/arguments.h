// What the command line, the configuration file and the environment ask of the service, together.
#pragma once

#include <iosfwd>
#include <span>
#include <variant>

#include "cmd/common/address.h"
#include "cmd/common/config.h"

namespace dataflow::cmd {

struct ServiceArguments {
  Config config;
  Address listen;
};

// The arguments, or the exit code where there is nothing to run: 0 after -help and the like,
// kExitUsage after a message to `err`.
std::variant<ServiceArguments, int> parse_service_arguments(std::span<const char* const> arguments,
                                                            const Environment& environment,
                                                            std::ostream& out, std::ostream& err);

}  // namespace dataflow::cmd
