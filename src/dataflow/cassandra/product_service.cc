#include "dataflow/cassandra/product_service.h"

#include <algorithm>
#include <array>
#include <utility>

#include "dataflow/cassandra/cluster.h"
#include "dataflow/cassandra/patience.h"
#include "dataflow/cassandra/rows.h"
#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {

ProductService::ProductService(const Options& options, std::unique_ptr<Connection> connection,
                               const BatchLimits& limits)
    : connection_(std::move(connection)),
      options_(options),
      limits_(limits),
      writer_(*connection_, limits, options),
      incarnations_(*connection_, options.keyspace),
      writer_numbers_(*connection_, options),
      finds_(*connection_) {}

Task<Result<std::unique_ptr<ProductService>>> ProductService::connect(Options options) {
  auto valid = check(options);
  if (!valid) co_return std::unexpected(std::move(valid.error()));
  auto connection = new_connection(options);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  co_return co_await connect(std::move(options), std::move(*connection));
}

Task<Result<std::unique_ptr<ProductService>>> ProductService::connect_patiently(
    Options options, std::function<void(const Error&)> tell) {
  auto again = [options] { return connect_to_write(options); };
  return ask_patiently<std::unique_ptr<ProductService>>(options, again, std::move(tell));
}

Task<Result<std::unique_ptr<ProductService>>> ProductService::connect_to_write(Options options) {
  auto service = co_await connect(options);
  if (!service) co_return std::unexpected(std::move(service.error()));
  auto stay = co_await check_rows_stay(*(*service)->connection_, options.keyspace);
  if (!stay) co_return std::unexpected(std::move(stay.error()));
  co_return std::move(*service);
}

Task<Result<std::unique_ptr<ProductService>>> ProductService::connect(
    Options options, std::unique_ptr<Connection> connection) {
  auto done = co_await connection->connect();
  if (done) done = co_await check_datacenter(*connection, options);
  if (done) done = co_await check_tables(*connection, options.keyspace);
  if (!done) co_return std::unexpected(std::move(done.error()));
  auto limits = co_await read_batch_limits(*connection);
  if (!limits) co_return std::unexpected(std::move(limits.error()));
  done = co_await connection->prepare(insert_product(options.keyspace),
                                      select_product(options.keyspace),
                                      select_products(options.keyspace));
  if (!done) co_return std::unexpected(std::move(done.error()));
  std::unique_ptr<ProductService> service(
      new ProductService(options, std::move(connection), *limits));
  co_return std::move(service);
}

Task<Result<Product>> ProductService::find(ProductId id) { return finds_.find(id); }

Task<Result<std::vector<std::optional<Product>>>> ProductService::find_many(
    std::span<const ProductId> ids) {
  std::vector<std::optional<Product>> products;
  products.reserve(ids.size());
  while (!ids.empty()) {
    const auto some = ids.first(std::min(ids.size(), kMaxFindsAtOnce));
    ids = ids.subspan(some.size());
    auto rows = co_await connection_->select(some);
    if (!rows) co_return std::unexpected(std::move(rows.error()));
    for (const ProductId id : some) {
      auto product = next_product(*rows, id);
      if (product) {
        products.emplace_back(std::move(*product));
      } else if (product.error().code == ErrorCode::kNotFound) {
        products.emplace_back();
      } else {
        co_return std::unexpected(std::move(product.error()));
      }
    }
  }
  co_return std::move(products);
}

Task<Result<void>> ProductService::save_many(std::span<const ProductView> products, WriteTime time,
                                             std::span<bool> stored) {
  return writer_.save_many(products, time, stored);
}

Task<Result<std::string>> ProductService::incarnation() {
  return ask_patiently<std::string>(options_, [this] { return incarnations_.current(); });
}

// Patiently: a run whose cache failed depends on it as on a write.
Task<Result<std::string>> ProductService::disown_caches() {
  return ask_patiently<std::string>(options_, [this] { return incarnations_.renew(); });
}

Task<Result<std::string>> ProductService::trust_cache(std::string_view cache) {
  return ask_patiently<std::string>(
      options_, [this, name = std::string(cache)] { return incarnations_.trust(name); });
}

Task<Result<std::uint64_t>> ProductService::writer_number() {
  return ask_patiently<std::uint64_t>(options_, [this] { return writer_numbers_.next(); });
}

Task<Result<void>> ProductService::flush() { co_return Result<void>(); }

Task<Result<void>> provision(Options options, std::string replication) {
  auto done = check(options);
  if (!done) co_return std::unexpected(std::move(done.error()));
  auto clause = replication_clause(replication);
  if (!clause) co_return std::unexpected(std::move(clause.error()));
  auto connection = new_connection(options);
  if (!connection) co_return std::unexpected(std::move(connection.error()));
  done = co_await (*connection)->connect();
  if (!done) co_return std::unexpected(std::move(done.error()));
  const std::array<std::string, 3> statements = {create_keyspace(options.keyspace, *clause),
                                                 create_products(options.keyspace),
                                                 create_epochs(options.keyspace)};
  // The client returns from each when the nodes agree on the schema.
  for (const std::string& statement : statements) {
    auto created = co_await (*connection)->query(statement);
    if (!created) co_return std::unexpected(std::move(created.error()));
  }
  done = co_await check_tables(**connection, options.keyspace);
  if (done) done = co_await check_rows_stay(**connection, options.keyspace);
  co_return done;
}

}  // namespace dataflow::cassandra
