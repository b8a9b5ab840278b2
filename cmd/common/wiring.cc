#include "cmd/common/wiring.h"

#include <chrono>

#include "cmd/common/cpus.h"

namespace dataflow::cmd {

cassandra::Options cassandra_options(const CassandraConfig& config) {
  cassandra::Options options;
  options.hosts = config.hosts;
  options.port = config.port;
  options.keyspace = config.keyspace;
  options.user = config.user;
  options.pass = config.pass;
  options.consistency = config.consistency;
  options.datacenter = config.datacenter;
  options.tls = config.tls;
  options.ca_file = config.ca_file;
  options.cert_file = config.cert_file;
  options.key_file = config.key_file;
  options.tls_name = config.tls_name;
  options.connect_timeout_ms = config.connect_timeout_ms;
  options.request_timeout_ms = config.request_timeout_ms;
  options.retry_timeout_ms = config.retry_timeout_ms;
  options.max_in_flight = config.max_in_flight;
  return options;
}

redis::Options redis_options(const RedisConfig& config) {
  redis::Options options;
  options.addr = config.addr;
  options.user = config.user;
  options.pass = config.pass;
  options.db = config.db;
  options.tls = config.tls;
  options.ca_file = config.ca_file;
  options.cert_file = config.cert_file;
  options.key_file = config.key_file;
  options.connect_timeout_ms = config.connect_timeout_ms;
  options.response_timeout_ms = config.response_timeout_ms;
  options.reconnect_pause_ms = config.reconnect_pause_ms;
  return options;
}

rocksdb::Options rocksdb_options(const RocksdbConfig& config) {
  rocksdb::Options options;
  options.path = config.path;
  options.sync = config.sync;
  options.write_buffer_bytes = config.write_buffer_bytes;
  options.block_cache_bytes = config.block_cache_bytes;
  options.cpus = usable_cpus();
  return options;
}

s3::Options s3_options(const S3Config& config) {
  s3::Options options;
  options.region = config.region;
  options.endpoint = config.endpoint;
  options.ca_file = config.ca_file;
  options.cert_file = config.cert_file;
  options.key_file = config.key_file;
  options.connect_timeout = std::chrono::milliseconds(config.connect_timeout_ms);
  options.request_timeout = std::chrono::milliseconds(config.request_timeout_ms);
  options.retries = config.retries;
  options.retry_timeout = std::chrono::milliseconds(config.retry_timeout_ms);
  options.part_bytes = config.part_bytes;
  options.parts_per_object = config.parts_per_object;
  options.max_buffered_bytes = config.max_buffered_bytes;
  return options;
}

}  // namespace dataflow::cmd
