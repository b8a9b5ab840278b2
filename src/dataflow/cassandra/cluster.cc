#include "dataflow/cassandra/cluster.h"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {
namespace {

Task<Result<void>> missing_tables(Connection& connection, const std::string& keyspace) {
  auto rows = co_await connection.query(
      "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '" + keyspace + "'");
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  const std::string what =
      rows->done() ? "there is no keyspace " + keyspace
                   : "there is no table " + keyspace + "." + std::string(kProductsTable);
  co_return fail(ErrorCode::kInvalid, what + ": " + provision_hint(keyspace));
}

}  // namespace

Task<Result<void>> check_tables(Connection& connection, std::string keyspace) {
  auto rows = co_await connection.query(
      "SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = '" +
      keyspace + "' AND table_name = '" + std::string(kProductsTable) + "'");
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  std::vector<Column> columns;
  while (!rows->done()) {
    Column column;
    column.name = rows->next().bytes;
    column.type = rows->next().bytes;
    column.key = rows->next().bytes != "regular";
    columns.push_back(std::move(column));
  }
  if (columns.empty()) co_return co_await missing_tables(connection, keyspace);
  co_return check_columns(keyspace, columns);
}

Task<Result<void>> check_rows_stay(Connection& connection, std::string keyspace) {
  // Of epochs as well: without its row a cache that was disowned would be believed again.
  auto rows = co_await connection.query(
      "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = '" +
      keyspace + "' AND table_name IN ('" + std::string(kProductsTable) + "', '" +
      std::string(kEpochTable) + "')");
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  while (!rows->done()) {
    const std::string table = keyspace + "." + std::string(rows->next().bytes);
    const std::string_view seconds = rows->next().bytes;  // int, big endian
    if (seconds.find_first_not_of('\0') == std::string_view::npos) continue;
    co_return fail(ErrorCode::kInvalid,
                   "rows of " + table +
                       " expire, and the job would not notice that they are gone: ALTER TABLE " +
                       table +
                       " WITH default_time_to_live = 0, and run the job once with -no-cache, which "
                       "writes the rows anew that are there to expire");
  }
  co_return Result<void>();
}

Task<Result<void>> check_datacenter(Connection& connection, Options options) {
  const bool local = options.consistency.starts_with("local_");
  std::set<std::string> names;
  for (std::string& name : connection.datacenters()) names.insert(std::move(name));
  if (options.datacenter.empty() ? !local : names.contains(options.datacenter)) {
    co_return Result<void>();
  }
  // The client leaves out what it could not read.
  auto rows = co_await connection.query_each_node("SELECT data_center FROM system.peers");
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  while (!rows->done()) {
    rows->next();  // the host
    const Cell name = rows->next();
    if (!name.bytes.empty()) names.emplace(name.bytes);  // none: a node that is only coming
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  if (!options.datacenter.empty()) {
    if (names.empty() || names.contains(options.datacenter)) co_return Result<void>();
    co_return fail(ErrorCode::kInvalid, "cassandra.datacenter is \"" + options.datacenter +
                                            "\", and the cluster has only: " + list);
  }
  if (names.size() < 2) co_return Result<void>();
  co_return fail(ErrorCode::kInvalid,
                 "cassandra.consistency is " + options.consistency +
                     " and the cluster has several datacenters (" + list +
                     "): set cassandra.datacenter to the one to use, or the consistency to quorum");
}

Task<Result<BatchLimits>> read_batch_limits(Connection& connection) {
  BatchLimits limits;
  auto rows =
      co_await connection.query("SELECT name, value FROM system_views.settings WHERE name IN (" +
                                std::string(kSettingNames) + ")");
  if (!rows) {
    const ErrorCode code = rows.error().code;
    if (code == ErrorCode::kInvalid || code == ErrorCode::kUnauthorized) co_return limits;
    co_return std::unexpected(std::move(rows.error()));
  }
  while (!rows->done()) {
    const Cell name = rows->next();
    const Cell value = rows->next();
    apply_setting(name.bytes, value.bytes, limits);
  }
  co_return limits;
}

}  // namespace dataflow::cassandra
