#include "cmd/microservice/arguments.h"

#include <ostream>
#include <string>
#include <utility>

#include "cmd/common/flags.h"

namespace dataflow::cmd {

std::variant<ServiceArguments, int> parse_service_arguments(std::span<const char* const> arguments,
                                                            const Environment& environment,
                                                            std::ostream& out, std::ostream& err) {
  std::optional<std::string> config;
  std::optional<std::string> listen;
  Flags flags("microservice", "serves products over HTTP: GET /product/:id");
  flags.text("config", "FILE", config,
             "configuration; without it the environment counts alone, and without [cassandra] the "
             "store is embedded");
  flags.text("listen", "HOST:PORT", listen,
             "where to listen (default 127.0.0.1:8080); :8080 is every interface, port 0 any free "
             "one");
  if (const auto code = flags.parse(arguments, out, err)) return *code;

  auto loaded = load_config(config.value_or(""), environment);
  if (!loaded) {
    err << "microservice: " << loaded.error().describe() << "\n";
    return kExitUsage;
  }
  ServiceArguments result;
  result.config = std::move(*loaded);
  const auto address = parse_address(listen.value_or(result.config.http.listen));
  if (!address) {
    err << "microservice: -listen: expected \"host:port\", found \"" << *listen
        << "\"; see microservice -help\n";
    return kExitUsage;
  }
  result.listen = *address;
  return result;
}

}  // namespace dataflow::cmd
