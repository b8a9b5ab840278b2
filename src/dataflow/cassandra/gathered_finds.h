// GatheredFinds: products that are asked for at the same moment are read by one request.
//
// A find() does not wait for others: it is sent when its executor has done what is ready now, with
// all finds that this brought (docs/adr/0009). One alone is a read of its own; several, on
// whichever executors, are one SELECT of several ids where every row is on the same nodes. Where it
// is not, or where that SELECT fails, each is a read of its own as well: one row that cannot be
// read is not everybody's.
//
// Thread safety: all methods, from any executor; a task resumes on its own. Outlives its tasks.
// Errors: as Connection::select, and kNotFound.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "dataflow/cassandra/connection.h"
#include "dataflow/error.h"
#include "dataflow/product.h"
#include "dataflow/task.h"

namespace dataflow::cassandra {

class GatheredFinds {
 public:
  // Of one SELECT: the answer is held in memory, and read by one thread of the node.
  static constexpr std::size_t kMostTogether = 8;

  explicit GatheredFinds(Connection& connection) : connection_(connection) {}

  Task<Result<Product>> find(ProductId id);

 private:
  struct Wanted {
    ProductId id = 0;
    std::move_only_function<void(Result<Product>)> done;
  };
  using Group = std::vector<Wanted>;

  static Task<void> send(GatheredFinds& self);
  static Task<void> read(GatheredFinds& self, Group group);
  static Task<void> read_one(GatheredFinds& self, Wanted wanted);
  bool may_be_together(const std::vector<ProductId>& ids);

  Connection& connection_;
  std::atomic<bool> refused_ = false;  // the cluster does not allow such statements
  std::mutex mutex_;
  Group waiting_;  // for send(), which the first of them has begun
};

}  // namespace dataflow::cassandra
