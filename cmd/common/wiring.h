// The configuration as the adapters take it. Only cmd/ knows both sides.
#pragma once

#include "cmd/common/config.h"
#include "dataflow/cassandra/options.h"
#include "dataflow/redis/options.h"
#include "dataflow/rocksdb/database.h"
#include "dataflow/s3/options.h"

namespace dataflow::cmd {

cassandra::Options cassandra_options(const CassandraConfig& config);
redis::Options redis_options(const RedisConfig& config);
rocksdb::Options rocksdb_options(const RocksdbConfig& config);
s3::Options s3_options(const S3Config& config);

}  // namespace dataflow::cmd
