// Goal: what is configured arrives at the adapters, and both sides agree on the defaults.
#include "cmd/common/wiring.h"

#include <gtest/gtest.h>

#include "cmd/common/cpus.h"

namespace dataflow::cmd {
namespace {

using std::chrono::milliseconds;

TEST(Wiring, TheDefaultsAreTheAdaptersOwn) {
  const auto cassandra = cassandra_options({});
  const cassandra::Options cassandra_default;
  EXPECT_EQ(cassandra.hosts, cassandra_default.hosts);
  EXPECT_EQ(cassandra.port, cassandra_default.port);
  EXPECT_EQ(cassandra.keyspace, cassandra_default.keyspace);
  EXPECT_EQ(cassandra.user, cassandra_default.user);
  EXPECT_EQ(cassandra.pass, cassandra_default.pass);
  EXPECT_EQ(cassandra.consistency, cassandra_default.consistency);
  EXPECT_EQ(cassandra.datacenter, cassandra_default.datacenter);
  EXPECT_EQ(cassandra.connect_timeout_ms, cassandra_default.connect_timeout_ms);
  EXPECT_EQ(cassandra.request_timeout_ms, cassandra_default.request_timeout_ms);
  EXPECT_EQ(cassandra.retry_timeout_ms, cassandra_default.retry_timeout_ms);
  EXPECT_EQ(cassandra.max_in_flight, cassandra_default.max_in_flight);
  EXPECT_EQ(cassandra.tls, cassandra_default.tls);
  EXPECT_EQ(cassandra.ca_file, cassandra_default.ca_file);
  EXPECT_EQ(cassandra.cert_file, cassandra_default.cert_file);
  EXPECT_EQ(cassandra.key_file, cassandra_default.key_file);
  EXPECT_EQ(cassandra.tls_name, cassandra_default.tls_name);
  const auto redis = redis_options({});
  const redis::Options redis_default;
  EXPECT_EQ(redis.addr, redis_default.addr);
  EXPECT_EQ(redis.user, redis_default.user);
  EXPECT_EQ(redis.pass, redis_default.pass);
  EXPECT_EQ(redis.db, redis_default.db);
  EXPECT_EQ(redis.connect_timeout_ms, redis_default.connect_timeout_ms);
  EXPECT_EQ(redis.response_timeout_ms, redis_default.response_timeout_ms);
  EXPECT_EQ(redis.reconnect_pause_ms, redis_default.reconnect_pause_ms);
  EXPECT_EQ(redis.tls, redis_default.tls);
  EXPECT_EQ(redis.ca_file, redis_default.ca_file);
  EXPECT_EQ(redis.cert_file, redis_default.cert_file);
  EXPECT_EQ(redis.key_file, redis_default.key_file);
  const auto rocksdb = rocksdb_options({});
  const rocksdb::Options rocksdb_default;
  EXPECT_EQ(rocksdb.path, rocksdb_default.path);
  EXPECT_EQ(rocksdb.sync, rocksdb_default.sync);
  EXPECT_EQ(rocksdb.write_buffer_bytes, rocksdb_default.write_buffer_bytes);
  EXPECT_EQ(rocksdb.block_cache_bytes, rocksdb_default.block_cache_bytes);
  EXPECT_EQ(rocksdb.cpus, usable_cpus());
  const auto s3 = s3_options({});
  const s3::Options s3_default;
  EXPECT_EQ(s3.region, s3_default.region);
  EXPECT_EQ(s3.endpoint, s3_default.endpoint);
  EXPECT_EQ(s3.connect_timeout, s3_default.connect_timeout);
  EXPECT_EQ(s3.request_timeout, s3_default.request_timeout);
  EXPECT_EQ(s3.retries, s3_default.retries);
  EXPECT_EQ(s3.retry_timeout, s3_default.retry_timeout);
  EXPECT_EQ(s3.part_bytes, s3_default.part_bytes);
  EXPECT_EQ(s3.parts_per_object, s3_default.parts_per_object);
  EXPECT_EQ(s3.max_buffered_bytes, s3_default.max_buffered_bytes);
  EXPECT_EQ(s3.ca_file, s3_default.ca_file);
  EXPECT_EQ(s3.cert_file, s3_default.cert_file);
  EXPECT_EQ(s3.key_file, s3_default.key_file);
}

TEST(Wiring, EveryValueArrives) {
  const auto cassandra = cassandra_options({{"a", "b"},
                                            1,
                                            "k",
                                            "u",
                                            "p",
                                            "one",
                                            "dc",
                                            2,
                                            3,
                                            4,
                                            5,
                                            "f",
                                            true,
                                            "ca",
                                            "cert",
                                            "key",
                                            "name"});
  EXPECT_EQ(cassandra.hosts, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(cassandra.port, 1);
  EXPECT_EQ(cassandra.keyspace, "k");
  EXPECT_EQ(cassandra.user, "u");
  EXPECT_EQ(cassandra.pass, "p");
  EXPECT_EQ(cassandra.consistency, "one");
  EXPECT_EQ(cassandra.datacenter, "dc");
  EXPECT_EQ(cassandra.connect_timeout_ms, 2U);
  EXPECT_EQ(cassandra.request_timeout_ms, 3U);
  EXPECT_EQ(cassandra.retry_timeout_ms, 4U);
  EXPECT_EQ(cassandra.max_in_flight, 5U);
  EXPECT_TRUE(cassandra.tls);
  EXPECT_EQ(cassandra.ca_file, "ca");
  EXPECT_EQ(cassandra.cert_file, "cert");
  EXPECT_EQ(cassandra.key_file, "key");
  EXPECT_EQ(cassandra.tls_name, "name");
  const auto redis = redis_options({"r:1", "u", "p", 2, 3, 4, 5, "f", true, "ca", "cert", "key"});
  EXPECT_EQ(redis.addr, "r:1");
  EXPECT_EQ(redis.user, "u");
  EXPECT_EQ(redis.pass, "p");
  EXPECT_EQ(redis.db, 2U);
  EXPECT_EQ(redis.connect_timeout_ms, 3U);
  EXPECT_EQ(redis.response_timeout_ms, 4U);
  EXPECT_EQ(redis.reconnect_pause_ms, 5U);
  EXPECT_TRUE(redis.tls);
  EXPECT_EQ(redis.ca_file, "ca");
  EXPECT_EQ(redis.cert_file, "cert");
  EXPECT_EQ(redis.key_file, "key");
  const auto rocksdb = rocksdb_options({"p", true, 6, 7});
  EXPECT_EQ(rocksdb.path, "p");
  EXPECT_TRUE(rocksdb.sync);
  EXPECT_EQ(rocksdb.write_buffer_bytes, 6U);
  EXPECT_EQ(rocksdb.block_cache_bytes, 7U);
  const auto s3 = s3_options({"b", "r", "e", 1, 2, 3, 4, 5, 6, 7, "ca", "cert", "key"});
  EXPECT_EQ(s3.region, "r");
  EXPECT_EQ(s3.endpoint, "e");
  EXPECT_EQ(s3.connect_timeout, milliseconds(1));
  EXPECT_EQ(s3.request_timeout, milliseconds(2));
  EXPECT_EQ(s3.retries, 3U);
  EXPECT_EQ(s3.retry_timeout, milliseconds(4));
  EXPECT_EQ(s3.part_bytes, 5U);
  EXPECT_EQ(s3.parts_per_object, 6U);
  EXPECT_EQ(s3.max_buffered_bytes, 7U);
  EXPECT_EQ(s3.ca_file, "ca");
  EXPECT_EQ(s3.cert_file, "cert");
  EXPECT_EQ(s3.key_file, "key");
}

}  // namespace
}  // namespace dataflow::cmd
