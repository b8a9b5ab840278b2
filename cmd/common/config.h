// The configuration that job and microservice share: plain values, read once at the start.
//
// A value comes from, the later winning: its default below, the TOML file, its environment
// variable. settings.cc says for each key its section, range, variables and meaning, and thereby
// what the example file says. Sizes are in bytes, times in milliseconds, 0 where a key says so.
// Copy it, share it: plain data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::cmd {

struct CassandraConfig {
  std::vector<std::string> hosts{"127.0.0.1"};  // "host" or "host:port"
  std::uint16_t port = 9042;                    // of the hosts that name none
  std::string keyspace = "dataflow";
  std::string user;  // empty: no authentication
  std::string pass;
  std::string consistency = "quorum";
  std::string datacenter;  // empty: any
  std::uint32_t connect_timeout_ms = 5'000;
  std::uint32_t request_timeout_ms = 10'000;
  std::uint32_t retry_timeout_ms = 60'000;
  std::uint32_t max_in_flight = 256;
  std::string pass_file;  // a file that holds `pass`; read by load_config
  bool tls = false;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string tls_name;
};

struct RedisConfig {
  std::string addr = "127.0.0.1:6379";
  std::string user;
  std::string pass;
  std::uint32_t db = 0;
  std::uint32_t connect_timeout_ms = 2'000;
  std::uint32_t response_timeout_ms = 5'000;
  std::uint32_t reconnect_pause_ms = 500;
  std::string pass_file;  // a file that holds `pass`; read by load_config
  bool tls = false;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
};

struct RocksdbConfig {
  std::string path = "dataflow.db";
  bool sync = false;
  std::uint64_t write_buffer_bytes = 33'554'432;
  std::uint64_t block_cache_bytes = 16'777'216;
  std::uint64_t service_cache_bytes = 134'217'728;
};

struct S3Config {
  std::string bucket;
  std::string region;    // empty: from the credential chain
  std::string endpoint;  // empty: AWS itself
  std::uint32_t connect_timeout_ms = 5'000;
  std::uint32_t request_timeout_ms = 30'000;
  std::uint32_t retries = 8;
  std::uint32_t retry_timeout_ms = 60'000;
  std::uint64_t part_bytes = 2'097'152;
  std::uint32_t parts_per_object = 8;
  std::uint64_t max_buffered_bytes = 25'165'824;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
};

struct HttpConfig {
  std::string listen = "127.0.0.1:8080";
  std::string cert_file;  // with key_file: the service speaks TLS
  std::string key_file;
  bool access_log = true;
  std::uint32_t threads = 0;  // 0: one for each usable CPU
  std::uint32_t max_connections = 10'000;
  std::uint32_t max_header_bytes = 8'192;
  std::uint32_t max_target_bytes = 2'048;
  std::uint32_t max_body_bytes = 1'024;
  std::uint64_t max_unsent_bytes = 268'435'456;
  std::uint32_t handshake_timeout_ms = 10'000;
  std::uint32_t header_timeout_ms = 10'000;
  std::uint32_t idle_timeout_ms = 60'000;
  std::uint32_t request_timeout_ms = 5'000;
  std::uint32_t write_timeout_ms = 30'000;
  std::uint32_t drain_timeout_ms = 10'000;
};

struct PipelineConfig {
  std::uint32_t concurrency = 0;  // 0: one for each usable CPU
  std::uint64_t max_errors = 1'000;
  std::uint64_t max_line_bytes = 16'777'216;
  std::uint64_t max_inflated_bytes = 68'719'476'736;
  std::uint64_t max_rejects_bytes = 17'179'869'184;
  std::uint64_t block_bytes = 262'144;
  std::uint64_t buffer_bytes = 16'777'216;
  std::uint64_t ids_memory_bytes = 33'554'432;
  std::uint64_t deferred_bytes = 16'777'216;
  std::uint32_t objects_in_flight = 16;
  std::string rejects = "rejects.jsonl";
};

struct Config {
  std::optional<CassandraConfig> cassandra;  // without it the store is embedded
  std::optional<RedisConfig> redis;          // without it the cache is embedded
  RocksdbConfig rocksdb;
  S3Config s3;
  HttpConfig http;
  PipelineConfig pipeline;

  bool file_holds_secrets = false;    // the file itself, not one that it names
  std::vector<std::string> warnings;  // for the operator, each a line
};

using Environment = std::map<std::string, std::string, std::less<>>;

// The environment of this process.
Environment process_environment();

// Reads the file (none where `path` is empty) and the environment. kInvalid: everything that is
// wrong, one line each, `file:line:column: section.key: expected ..., found ...` or the variable's
// name in front. A value that may be a secret is never shown.
// Files with passwords that it names are read as well, and who may read what holds a secret is
// looked at: `warnings`.
Result<Config> load_config(const std::string& path, const Environment& environment);

// The same for the text of a file; `name` is what messages call it.
Result<Config> parse_config(std::string_view text, std::string_view name,
                            const Environment& environment);

}  // namespace dataflow::cmd
