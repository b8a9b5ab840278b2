// Incarnations: which incarnation of the table of products the cluster holds now (see epoch.h for
// how that is known). Writes to the store only in trust() and renew(), and in trust() only where
// something has changed.
//
// Also looks at the clocks: the newest write time of a row holds, and write times are those of the
// job's machine. Where no node's clock is within kMaxClockSkew of it, trust() and renew() fail
// (kInvalid), before a row is written that a row of another machine would hide, or that would hide
// later ones.
//
// Thread safe, also between processes: whoever changes the epoch does so by a lightweight
// transaction, so that all agree on the one that holds.
#pragma once

#include <chrono>
#include <functional>
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
  static constexpr std::chrono::seconds kMaxClockSkew{60};

  // `connection` outlives this.
  Incarnations(Connection& connection, std::string keyspace)
      : connection_(connection), keyspace_(std::move(keyspace)) {}

  // As ProductService::incarnation.
  Task<Result<std::string>> current();
  // As ProductService::trust_cache.
  Task<Result<std::string>> trust(std::string cache);
  // As ProductService::disown_caches.
  Task<Result<std::string>> renew();

 private:
  // What the cluster says.
  struct Seen {
    std::string table_id;  // 16 bytes
    bool epoch_table = false;
    std::string cluster;
    Truncations truncations;
    std::optional<std::string> epoch;            // as stored
    std::optional<std::int64_t> clock_ahead_ms;  // ours, of the node's that is nearest to it

    std::string epoch_name() const;
    std::optional<Epoch> known() const;
  };

  // What is to be kept, of what is known and seen, with parts of a token that may be new.
  using Next = std::function<Epoch(const std::optional<Epoch>& known, const Truncations& answers,
                                   Fresh fresh)>;
  Task<Result<std::string>> settle(Next next);
  Task<Result<Seen>> look();
  Task<Result<void>> look_at_tables(Seen& seen);
  Task<Result<void>> look_at_nodes(Seen& seen);
  Task<Result<void>> look_at_scylla(Seen& seen);
  Task<Result<void>> look_at_epoch(Seen& seen);
  // False where somebody else was faster.
  Task<Result<bool>> keep(const Seen& seen, const Epoch& next);

  std::string describe(const Seen& seen, const std::optional<Epoch>& epoch) const;

  Connection& connection_;
  const std::string keyspace_;
};

}  // namespace dataflow::cassandra
