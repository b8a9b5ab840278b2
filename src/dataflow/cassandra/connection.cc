#include "dataflow/cassandra/connection.h"

#include <exception>
#include <utility>

#include "clients/call.h"
#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {
namespace {

template <class T>
rust::Slice<T> slice(std::span<T> values) {
  return {values.data(), values.size()};
}

Rows rows_of(clients::Reply&& reply) {
  auto owner = std::make_shared<const clients::Reply>(std::move(reply));
  const std::span<const std::uint8_t> bytes(owner->bytes.data(), owner->bytes.size());
  const std::span<const std::int32_t> lengths(owner->lengths.data(), owner->lengths.size());
  const auto columns = static_cast<std::size_t>(owner->number);
  return {std::move(owner), bytes, lengths, columns};
}

Result<Rows> rows_of(Result<clients::Reply>&& reply) {
  if (!reply) return std::unexpected(std::move(reply.error()));
  return rows_of(std::move(*reply));
}

Result<void> nothing_of(const Result<clients::Reply>& reply) {
  if (!reply) return std::unexpected(reply.error());
  return {};
}

class ClientConnection final : public Connection {
 public:
  ClientConnection(rust::Box<clients::Cassandra> client, std::string keyspace)
      : client_(std::move(client)), keyspace_(std::move(keyspace)) {}

  Task<Result<void>> connect() override {
    auto reply = co_await clients::call(
        [client = &*client_](auto done) { client->connect(std::move(done)); });
    co_return nothing_of(reply);
  }

  Task<Result<Rows>> query(std::string cql) override {
    auto reply = co_await clients::call(
        [client = &*client_, &cql](auto done) { client->query(cql, std::move(done)); });
    co_return rows_of(std::move(reply));
  }

  Task<Result<Rows>> query_each_node(std::string cql) override {
    auto reply = co_await clients::call(
        [client = &*client_, &cql](auto done) { client->query_each_node(cql, std::move(done)); });
    co_return rows_of(std::move(reply));
  }

  Task<Result<void>> prepare(std::string insert, std::string select,
                             std::string select_together) override {
    auto reply =
        co_await clients::call([client = &*client_, &insert, &select, &select_together](auto done) {
          client->prepare(insert, select, select_together, std::move(done));
        });
    co_return nothing_of(reply);
  }

  Task<Result<void>> save(std::span<const std::uint8_t> bytes,
                          std::span<const std::int32_t> lengths, std::size_t columns,
                          WriteTime time) override {
    auto reply =
        co_await clients::call([client = &*client_, bytes, lengths, columns, time](auto done) {
          client->save(slice(bytes), slice(lengths), columns, time, std::move(done));
        });
    co_return nothing_of(reply);
  }

  Task<Result<Rows>> select(std::span<const ProductId> ids) override {
    auto reply = co_await clients::call(
        [client = &*client_, ids](auto done) { client->select(slice(ids), std::move(done)); });
    co_return rows_of(std::move(reply));
  }

  Task<Result<Rows>> select_together(std::span<const ProductId> ids) override {
    auto reply = co_await clients::call([client = &*client_, ids](auto done) {
      client->select_together(slice(ids), std::move(done));
    });
    co_return rows_of(std::move(reply));
  }

  std::vector<std::string> datacenters() override {
    std::vector<std::string> names;
    for (const rust::String& name : client_->datacenters()) names.emplace_back(name);
    return names;
  }

  void replica_groups(std::span<const ProductId> ids, std::span<std::uint32_t> groups) override {
    client_->replica_groups(keyspace_, std::string(kProductsTable), slice(ids), slice(groups));
  }

 private:
  rust::Box<clients::Cassandra> client_;
  std::string keyspace_;
};

}  // namespace

Cell Rows::next() {
  const std::int32_t length = lengths_[next_++];
  if (length < 0) return {.bytes = {}, .null = length == -1, .missing = length == -2};
  const auto cell = bytes_.subspan(offset_, static_cast<std::size_t>(length));
  offset_ += cell.size();
  return {.bytes = {reinterpret_cast<const char*>(cell.data()), cell.size()}};
}

std::optional<std::string> next_value(Rows& rows) {
  if (rows.done()) return std::nullopt;
  const Cell cell = rows.next();
  return cell.null ? std::nullopt : std::optional<std::string>(cell.bytes);
}

bool was_applied(Rows& rows) {
  return !rows.done() && rows.next().bytes == std::string_view("\1", 1);
}

Result<std::unique_ptr<Connection>> new_connection(const Options& options) try {
  clients::CassandraOptions plain;
  for (const std::string& host : options.hosts) plain.hosts.push_back(host);
  plain.port = options.port;
  plain.user = options.user;
  plain.pass = options.pass;
  plain.consistency = options.consistency;
  plain.datacenter = options.datacenter;
  plain.tls.enabled = options.tls;
  plain.tls.ca_file = options.ca_file;
  plain.tls.cert_file = options.cert_file;
  plain.tls.key_file = options.key_file;
  plain.tls_name = options.tls_name;
  plain.connect_timeout_ms = options.connect_timeout_ms;
  plain.request_timeout_ms = options.request_timeout_ms;
  return std::make_unique<ClientConnection>(clients::cassandra_new(std::move(plain)),
                                            options.keyspace);
} catch (const std::exception& e) {
  return fail(ErrorCode::kInvalid,
              "a setting of cassandra (host, user, pass, datacenter or of TLS) is not UTF-8",
              e.what());
}

}  // namespace dataflow::cassandra
