// What is asked of a cluster once, at the start.
#pragma once

#include <string>

#include "dataflow/cassandra/batches.h"
#include "dataflow/cassandra/connection.h"
#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

// kInvalid unless keyspace and table of products are there and of the expected shape.
Task<Result<void>> check_tables(Connection& connection, std::string keyspace);

// kInvalid where rows expire by themselves: who remembers what was written does not notice.
Task<Result<void>> check_rows_stay(Connection& connection, std::string keyspace);

// kInvalid where the cluster has no datacenter of that name; where the consistency is a local one,
// no datacenter is set and the cluster has several. Of a connection that is connected.
Task<Result<void>> check_datacenter(Connection& connection, Options options);

// The thresholds of the node that is asked; the defaults where it does not tell (ScyllaDB has no
// such table, a role may not read it).
Task<Result<BatchLimits>> read_batch_limits(Connection& connection);

}  // namespace dataflow::cassandra
