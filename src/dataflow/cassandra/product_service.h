// ProductService over Cassandra, or what speaks its protocol (ScyllaDB).
//
// Rows are saved in unlogged batches of one replica set each, within what the server takes without
// a warning, as many at once as do it good, and repeated while the cluster cannot take them
// (writer.h). Reads go to a replica, by prepared statements. Reconnecting and following the
// cluster's topology are the client's.
//
// Thread safety and errors: as dataflow/product_service.h. Outlives its tasks. The clients' runtime
// must not have been started with other wishes than clients::start_runtime() was given before.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/cassandra/batches.h"
#include "dataflow/cassandra/connection.h"
#include "dataflow/cassandra/gathered_finds.h"
#include "dataflow/cassandra/incarnations.h"
#include "dataflow/cassandra/options.h"
#include "dataflow/cassandra/writer.h"
#include "dataflow/cassandra/writer_numbers.h"
#include "dataflow/error.h"
#include "dataflow/product.h"
#include "dataflow/product_service.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

class ProductService final : public dataflow::ProductService {
 public:
  // Rows asked for at once by one find_many().
  static constexpr std::size_t kMaxFindsAtOnce = 128;

  // Connects, looks whether the keyspace and the table are as expected, and prepares everything
  // that requests need. kInvalid: what is missing or of another shape; the message names
  // scripts/provision.sh.
  static Task<Result<std::unique_ptr<ProductService>>> connect(Options options);

  // The same for who writes, begun anew while the cluster is away, for Options::retry_timeout_ms;
  // `tell` hears of it when the waiting begins. kInvalid also where rows expire by themselves.
  static Task<Result<std::unique_ptr<ProductService>>> connect_patiently(
      Options options, std::function<void(const Error&)> tell);

  // The same over a connection that is not connected yet; for tests.
  static Task<Result<std::unique_ptr<ProductService>>> connect(
      Options options, std::unique_ptr<Connection> connection);

  Task<Result<Product>> find(ProductId id) override;
  Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) override;
  Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                               std::span<bool> stored) override;
  // Asked again while the cluster cannot answer, for Options::retry_timeout_ms.
  Task<Result<std::string>> incarnation() override;
  // As patient.
  Task<Result<std::string>> trust_cache(std::string_view cache) override;
  Task<Result<std::string>> disown_caches() override;
  // As patient.
  Task<Result<std::uint64_t>> writer_number() override;
  // Nothing to do: what a node acknowledged is in its commit log.
  Task<Result<void>> flush() override;

  const BatchLimits& batch_limits() const { return limits_; }
  // How many batches may be under way at this moment.
  std::size_t in_flight_limit() const { return writer_.in_flight().limit(); }

 private:
  ProductService(const Options& options, std::unique_ptr<Connection> connection,
                 const BatchLimits& limits);

  static Task<Result<std::unique_ptr<ProductService>>> connect_to_write(Options options);

  std::unique_ptr<Connection> connection_;
  const Options options_;
  BatchLimits limits_;
  Writer writer_;
  Incarnations incarnations_;
  WriterNumbers writer_numbers_;
  GatheredFinds finds_;
};

// Creates what connect() expects, as far as it is not there: the keyspace, replicated as
// `replication` says (a number of replicas, or a map as CQL writes it), and the tables. Returns
// when all nodes know them. A keyspace that exists keeps its replication. kUnauthorized where the
// role may not create them.
Task<Result<void>> provision(Options options, std::string replication);

}  // namespace dataflow::cassandra
