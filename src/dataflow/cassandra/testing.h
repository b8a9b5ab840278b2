// For the tests of this folder: running a task, answers made by hand, a connection of one function
// a method.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/cassandra/connection.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

// Runs the task on this thread until nothing is left to do.
template <class T>
T run(Task<T> task) {
  boost::asio::io_context io;
  auto future = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
  io.run();
  return future.get();
}

// Runs the task on the pool's threads and waits for it.
template <class T>
T run_on(boost::asio::thread_pool& pool, Task<T> task) {
  return boost::asio::co_spawn(pool, std::move(task), boost::asio::use_future).get();
}

// A product of these fields alone.
inline ProductView bare(ProductId id, std::string_view title) {
  ProductView product;
  product.id = id;
  product.title = title;
  return product;
}

// An answer of these cells; nullopt: null.
inline Rows rows_of(std::size_t columns, const std::vector<std::optional<std::string>>& cells) {
  struct Owner {
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> lengths;
  };
  auto owner = std::make_shared<Owner>();
  for (const auto& cell : cells) {
    owner->lengths.push_back(cell ? static_cast<std::int32_t>(cell->size()) : -1);
    if (cell) owner->bytes.insert(owner->bytes.end(), cell->begin(), cell->end());
  }
  const std::span<const std::uint8_t> bytes = owner->bytes;
  const std::span<const std::int32_t> lengths = owner->lengths;
  return {owner, bytes, lengths, columns};
}

// Big-endian, as CQL writes numbers.
inline std::string big_endian(std::uint64_t number, int size) {
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(number >> (8 * i));
  return bytes;
}

// What a test does not set answers with nothing.
class FakeConnection final : public Connection {
 public:
  struct Saved {
    std::span<const std::uint8_t> bytes;
    std::span<const std::int32_t> lengths;
    std::size_t columns;
    WriteTime time;
  };

  std::function<Result<Rows>(const std::string&)> on_query;
  std::function<Result<Rows>(const std::string&)> on_query_each_node;
  std::function<Task<Result<void>>(Saved)> on_save;
  std::function<Result<Rows>(std::span<const ProductId>)> on_select, on_select_together;
  std::function<std::uint32_t(ProductId)> on_replica_group;
  std::vector<std::string> known_datacenters;

  Task<Result<void>> connect() override { co_return Result<void>(); }
  Task<Result<Rows>> query(std::string cql) override {
    co_return on_query ? on_query(cql) : Result<Rows>(Rows());
  }
  Task<Result<Rows>> query_each_node(std::string cql) override {
    co_return on_query_each_node ? on_query_each_node(cql) : Result<Rows>(Rows());
  }
  Task<Result<void>> prepare(std::string, std::string, std::string) override {
    co_return Result<void>();
  }
  Task<Result<void>> save(std::span<const std::uint8_t> bytes,
                          std::span<const std::int32_t> lengths, std::size_t columns,
                          WriteTime time) override {
    if (!on_save) co_return Result<void>();
    auto result = co_await on_save({bytes, lengths, columns, time});
    co_return result;
  }
  Task<Result<Rows>> select(std::span<const ProductId> ids) override {
    co_return on_select ? on_select(ids) : Result<Rows>(Rows());
  }
  Task<Result<Rows>> select_together(std::span<const ProductId> ids) override {
    co_return on_select_together ? on_select_together(ids) : Result<Rows>(Rows());
  }
  std::vector<std::string> datacenters() override { return known_datacenters; }
  void replica_groups(std::span<const ProductId> ids, std::span<std::uint32_t> groups) override {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      groups[i] = on_replica_group ? on_replica_group(ids[i]) : 0;
    }
  }
};

}  // namespace dataflow::cassandra
