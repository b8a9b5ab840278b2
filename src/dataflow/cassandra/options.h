// Where the cluster is, how it is asked and how long it may take. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::cassandra {

struct Options {
  std::vector<std::string> hosts{"127.0.0.1"};  // contact points, "host" or "host:port"
  std::uint16_t port = 9042;                    // of the hosts that name none
  std::string keyspace = "dataflow";            // lower-case letters, digits and underscores
  std::string user{};                           // empty: no authentication
  std::string pass{};
  // Of reads and writes: one, two, three, quorum, all, local_quorum or local_one. Quorum sees every
  // acknowledged write whichever node it asks; with one replica it is the same as one.
  std::string consistency = "quorum";
  // The datacenter whose nodes are asked: alone with local_quorum and local_one, else as long as
  // there is one up; empty: any. Where there are several, local_quorum and local_one need it:
  // without it, each request would call another datacenter local.
  std::string datacenter{};

  // Without it nothing is encrypted; with it every node's certificate is verified. Files in PEM.
  bool tls = false;
  std::string ca_file{};    // whose certificates are believed; empty: the system's authorities
  std::string cert_file{};  // what we show, where the cluster asks for it; with key_file
  std::string key_file{};   // without a passphrase
  // A node's certificate is for its address, for a name in `hosts`, or for this one.
  std::string tls_name{};

  std::uint32_t connect_timeout_ms = 5'000;   // one connection
  std::uint32_t request_timeout_ms = 10'000;  // one request; a read with the driver's own retries
  // How long a batch that the cluster could not take is repeated before save_many() gives up; 0:
  // never.
  std::uint32_t retry_timeout_ms = 60'000;
  std::uint32_t retry_wait_ms = 50;  // before the first repetition; doubles each time, with jitter
  std::uint32_t retry_wait_max_ms = 2'000;  // never longer than this
  std::size_t max_in_flight = 256;          // batches, of all save_many() calls together
};

// kInvalid, naming the setting, where these options cannot be meant.
Result<void> check(const Options& options);

}  // namespace dataflow::cassandra
