#include "dataflow/cassandra/incarnations.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {
namespace {

// The form of a uuid in a statement.
std::string uuid(std::string_view bytes) {
  std::string text = hexadecimal(bytes);
  for (const std::size_t dash : {8, 13, 18, 23}) text.insert(dash, 1, '-');
  return text;
}

constexpr std::size_t kUuidSize = 16;

std::int64_t now_ms() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// How far our clock, which was at `asked` and then at `answered`, is ahead of one that was at
// `theirs` in between; negative: behind.
std::int64_t ahead_of(std::int64_t theirs, std::int64_t asked, std::int64_t answered) {
  return theirs > answered ? answered - theirs : std::max<std::int64_t>(asked - theirs, 0);
}

std::unexpected<Error> wrong_clock(std::int64_t ahead_ms) {
  const std::string seconds = std::to_string(std::abs(ahead_ms) / 1000);
  return fail(
      ErrorCode::kInvalid,
      "the clock of this machine is " + seconds + " s " + (ahead_ms > 0 ? "ahead of" : "behind") +
          " that of every Cassandra node: of two versions of a row the one written later by "
          "the clock holds; set the clocks (NTP), and load again what was written by a wrong "
          "one");
}

}  // namespace

std::string Incarnations::Seen::epoch_name() const {
  return std::string(kProductsTable) + ":" + hexadecimal(table_id);
}

std::optional<Epoch> Incarnations::Seen::known() const {
  return epoch ? std::optional(parse_epoch(*epoch)) : std::nullopt;
}

Task<Result<std::string>> Incarnations::current() {
  auto seen = co_await look();
  if (!seen) co_return std::unexpected(std::move(seen.error()));
  const auto known = seen->known();
  const std::string changed = changed_token(seen->table_id, known, seen->truncations);
  co_return describe(*seen, advance(known, seen->truncations, changed));
}

Task<Result<std::string>> Incarnations::trust(std::string cache) {
  Next next = [name = cache_name(cache)](const std::optional<Epoch>& known,
                                         const Truncations& answers, Fresh fresh) {
    return trusting(known, answers, fresh, name);
  };
  auto result = co_await settle(std::move(next));
  co_return result;
}

Task<Result<std::string>> Incarnations::renew() {
  Next next = [](const std::optional<Epoch>& known, const Truncations& answers, Fresh fresh) {
    return disowned(known, answers, fresh);
  };
  auto result = co_await settle(std::move(next));
  co_return result;
}

Task<Result<std::string>> Incarnations::settle(Next next_of) {
  for (int round = 0; round < kMaxRounds; ++round) {
    auto seen = co_await look();
    if (!seen) co_return std::unexpected(std::move(seen.error()));
    const std::int64_t ahead = seen->clock_ahead_ms.value_or(0);
    if (std::abs(ahead) > std::chrono::milliseconds(kMaxClockSkew).count()) {
      co_return wrong_clock(ahead);
    }
    const std::optional<Epoch> known = seen->known();
    const std::string changed = changed_token(seen->table_id, known, seen->truncations);
    const std::string caches = fresh_token();
    const std::optional<Epoch> next = next_of(known, seen->truncations, {changed, caches});
    if (next == known) co_return describe(*seen, known);
    auto kept = co_await keep(*seen, *next);
    if (!kept) co_return std::unexpected(with_rights_hint(std::move(kept.error()), keyspace_));
    if (*kept) co_return describe(*seen, next);
  }
  co_return fail(ErrorCode::kUnavailable, "other jobs keep changing " + keyspace_ + "." +
                                              std::string(kEpochTable) +
                                              ": try again when they have ended");
}

std::string Incarnations::describe(const Seen& seen, const std::optional<Epoch>& epoch) const {
  // The first line is that of all incarnations of this table, and of no other table.
  std::string text = "cassandra cluster " + seen.cluster + " keyspace " + keyspace_;
  text.append("\ntable ").append(hexadecimal(seen.table_id));
  text.append("\nepoch ").append(table_part(epoch));
  text.append("\ncaches ").append(caches_part(epoch));
  return text;
}

Task<Result<Incarnations::Seen>> Incarnations::look() {
  Seen seen;
  auto result = co_await look_at_tables(seen);
  if (result) result = co_await look_at_nodes(seen);
  if (result) result = co_await look_at_scylla(seen);
  if (result && seen.epoch_table) result = co_await look_at_epoch(seen);
  if (!result) co_return std::unexpected(std::move(result.error()));
  co_return std::move(seen);
}

Task<Result<void>> Incarnations::look_at_tables(Seen& seen) {
  auto rows = co_await connection_.query(
      "SELECT table_name, id FROM system_schema.tables WHERE keyspace_name = '" + keyspace_ +
      "' AND table_name IN ('" + std::string(kProductsTable) + "', '" + std::string(kEpochTable) +
      "')");
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  while (!rows->done()) {
    const Cell name = rows->next();
    const Cell id = rows->next();
    if (name.bytes == kEpochTable) seen.epoch_table = true;
    if (name.bytes == kProductsTable) seen.table_id = id.bytes;
  }
  if (seen.table_id.size() != kUuidSize) {
    co_return fail(ErrorCode::kInvalid, "there is no table " + keyspace_ + "." +
                                            std::string(kProductsTable) + ": " +
                                            provision_hint(keyspace_));
  }
  co_return Result<void>();
}

Task<Result<void>> Incarnations::look_at_nodes(Seen& seen) {
  const auto asked = now_ms();
  auto rows = co_await connection_.query_each_node(
      "SELECT cluster_name, truncated_at, toTimestamp(now()) FROM system.local WHERE key = "
      "'local'");
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  const auto answered = now_ms();
  while (!rows->done()) {
    const Cell host = rows->next();
    const Cell cluster = rows->next();
    const Cell truncated_at = rows->next();
    const Cell clock = rows->next();
    if (!clock.null) {
      const std::int64_t ahead = ahead_of(timestamp_of(clock.bytes), asked, answered);
      auto& nearest = seen.clock_ahead_ms;
      if (!nearest || std::abs(ahead) < std::abs(*nearest)) nearest = ahead;
    }
    seen.cluster = cluster.bytes;
    TruncationTime& time = seen.truncations[hexadecimal(host.bytes)];
    if (truncated_at.null) continue;
    auto found = truncation_time(truncated_at.bytes, seen.table_id);
    if (!found) co_return std::unexpected(std::move(found.error()));
    time = *found;
  }
  co_return Result<void>();
}

// ScyllaDB keeps the times in a table of its own (docs/dev/system_keyspace.md, system.truncated), a
// row for each shard.
Task<Result<void>> Incarnations::look_at_scylla(Seen& seen) {
  auto tables = co_await connection_.query(
      "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system' AND table_name = "
      "'truncated'");
  if (!tables) co_return std::unexpected(std::move(tables.error()));
  if (tables->done()) co_return Result<void>();
  auto rows = co_await connection_.query_each_node(
      "SELECT truncated_at FROM system.truncated WHERE table_uuid = " + uuid(seen.table_id));
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  while (!rows->done()) {
    const Cell host = rows->next();
    const Cell timestamp = rows->next();
    TruncationTime& time = seen.truncations[hexadecimal(host.bytes)];
    time = std::max(time, timestamp_of(timestamp.bytes));
  }
  co_return Result<void>();
}

Task<Result<void>> Incarnations::look_at_epoch(Seen& seen) {
  auto rows =
      co_await connection_.query("SELECT epoch FROM " + keyspace_ + "." + std::string(kEpochTable) +
                                 " WHERE name = '" + seen.epoch_name() + "'");
  if (!rows) co_return std::unexpected(with_rights_hint(std::move(rows.error()), keyspace_));
  if (!rows->done()) seen.epoch = rows->next().bytes;
  co_return Result<void>();
}

Task<Result<bool>> Incarnations::keep(const Seen& seen, const Epoch& next) {
  if (!seen.epoch_table) {
    auto created = co_await connection_.query(create_epochs(keyspace_));
    if (!created) co_return std::unexpected(std::move(created.error()));
  }
  const std::string table = keyspace_ + "." + std::string(kEpochTable);
  const std::string name = quoted(seen.epoch_name());
  const std::string text = quoted(to_text(next));
  const std::string cql = seen.epoch
                              ? "UPDATE " + table + " SET epoch = " + text +
                                    " WHERE name = " + name + " IF epoch = " + quoted(*seen.epoch)
                              : "INSERT INTO " + table + " (name, epoch) VALUES (" + name + ", " +
                                    text + ") IF NOT EXISTS";
  auto rows = co_await connection_.query(cql);
  if (!rows) co_return std::unexpected(std::move(rows.error()));
  co_return was_applied(*rows);
}

}  // namespace dataflow::cassandra
