// Connection: what this folder needs of a Cassandra client, free of the client's types.
//
// One implementation speaks to a cluster (new_connection), others stand in for it in tests. Thread
// safe; a task resumes on its caller's executor. What is passed as a span stays alive until the
// task is done. Errors: kUnavailable (no answer, too few replicas, overloaded), kUnauthorized,
// kInvalid (the statement, the schema), kInternal. Nothing that writes is repeated here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/cassandra/options.h"
#include "dataflow/error.h"
#include "dataflow/product.h"
#include "dataflow/product_service.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

// One cell in CQL's binary form.
struct Cell {
  std::string_view bytes;
  bool null = false;
  bool missing = false;  // the whole row is not there
};

// The cells of an answer, row after row, read once from the front. Keeps the answer alive.
class Rows {
 public:
  Rows() = default;  // none
  // `lengths`: of each cell in `bytes`; -1 a null, -2 a cell of a row that is not there.
  Rows(std::shared_ptr<const void> owner, std::span<const std::uint8_t> bytes,
       std::span<const std::int32_t> lengths, std::size_t columns)
      : owner_(std::move(owner)), bytes_(bytes), lengths_(lengths), columns_(columns) {}

  std::size_t columns() const { return columns_; }
  bool done() const { return next_ == lengths_.size(); }
  Cell next();

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::uint8_t> bytes_;
  std::span<const std::int32_t> lengths_;
  std::size_t columns_ = 0;
  std::size_t next_ = 0;
  std::size_t offset_ = 0;
};

// The next cell's bytes; nullopt where it is null, or there is none.
std::optional<std::string> next_value(Rows& rows);

// Whether a lightweight transaction was applied: reads "[applied]", the first cell of its answer.
bool was_applied(Rows& rows);

class Connection {
 public:
  virtual ~Connection() = default;

  // Before anything else.
  virtual Task<Result<void>> connect() = 0;
  // One statement, on any node.
  virtual Task<Result<Rows>> query(std::string cql) = 0;
  // The same on every node that answers, the node's host id as a first cell in each row.
  virtual Task<Result<Rows>> query_each_node(std::string cql) = 0;
  // The statements of save(), select() and select_together().
  virtual Task<Result<void>> prepare(std::string insert, std::string select,
                                     std::string select_together) = 0;
  // Writes rows in one request: cells one after another in `bytes`, their lengths (-1: null) in
  // `lengths`, `columns` of them a row.
  virtual Task<Result<void>> save(std::span<const std::uint8_t> bytes,
                                  std::span<const std::int32_t> lengths, std::size_t columns,
                                  WriteTime time) = 0;
  // The rows of these ids, in order, all asked at once.
  virtual Task<Result<Rows>> select(std::span<const ProductId> ids) = 0;
  // The same by one request, to any node: for ids whose rows are on the same nodes.
  virtual Task<Result<Rows>> select_together(std::span<const ProductId> ids) = 0;
  // Of all nodes, up or down, as far as one of them has told. Without I/O.
  virtual std::vector<std::string> datacenters() = 0;
  // The same number for ids whose rows are on the same nodes; all 0 when that is not known.
  virtual void replica_groups(std::span<const ProductId> ids, std::span<std::uint32_t> groups) = 0;
};

// A connection to the cluster of `options`, not connected yet. kInvalid where an option is not
// UTF-8.
Result<std::unique_ptr<Connection>> new_connection(const Options& options);

}  // namespace dataflow::cassandra
