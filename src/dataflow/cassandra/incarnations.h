// Incarnations: which incarnation of the table of products the cluster holds now (see epoch.h for
// how that is known). Writes to the store only when a truncation is seen for the first time, or on
// renew().
//
// Thread safe, also between processes: whoever changes the epoch does so by a lightweight
// transaction, so that all agree on the one that holds.
#pragma once

#include <optional>
#include <string>

#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/epoch.h"
#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

class Incarnations {
 public:
  // How often another process may change the epoch under our hands before we give up.
  static constexpr int kMaxRounds = 10;

  // `connection` outlives this.
  Incarnations(Connection& connection, std::string keyspace)
      : connection_(connection), keyspace_(std::move(keyspace)) {}

  // As ProductService::incarnation.
  Task<Result<std::string>> current() { return settle(false); }
  // As ProductService::disown_caches.
  Task<Result<void>> renew();

 private:
  // What the cluster says.
  struct Seen {
    std::string table_id;  // 16 bytes
    bool epoch_table = false;
    std::string cluster;
    Truncations truncations;
    std::optional<std::string> epoch;  // as stored

    std::string epoch_name() const;
  };

  Task<Result<std::string>> settle(bool renew);
  Task<Result<Seen>> look();
  Task<Result<void>> look_at_tables(Seen& seen);
  Task<Result<void>> look_at_nodes(Seen& seen);
  Task<Result<void>> look_at_scylla(Seen& seen);
  Task<Result<void>> look_at_epoch(Seen& seen);
  // False where somebody else was faster.
  Task<Result<bool>> keep(const Seen& seen, const Epoch& next);

  Error with_hint(Error error) const;
  std::string describe(const Seen& seen, const std::optional<Epoch>& epoch) const;

  Connection& connection_;
  const std::string keyspace_;
};

}  // namespace dataflow::cassandra
