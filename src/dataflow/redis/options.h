// Where the Redis is and how long it may take. Plain data.
#pragma once

#include <cstdint>
#include <string>

#include "dataflow/error.h"

namespace dataflow::redis {

struct Options {
  std::string addr = "127.0.0.1:6379";  // "host:port"; a single server, not a cluster
  std::string user{};                   // empty: the default user
  std::string pass{};                   // empty: no authentication
  std::uint32_t db = 0;
  // Without it nothing is encrypted; with it the server's certificate is verified. Files in PEM.
  bool tls = false;
  std::string ca_file{};    // whose certificates are believed; empty: the system's authorities
  std::string cert_file{};  // what we show, where the server asks for it; with key_file
  std::string key_file{};   // without a passphrase
  std::uint32_t connect_timeout_ms = 2'000;
  std::uint32_t response_timeout_ms = 5'000;  // of one round trip
  // After an attempt to connect has failed, calls fail at once for so long.
  std::uint32_t reconnect_pause_ms = 500;
};

// kInvalid, naming the setting, where these options cannot be meant.
Result<void> check(const Options& options);

}  // namespace dataflow::redis
