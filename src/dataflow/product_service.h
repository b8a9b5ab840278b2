// ProductService: where products are kept. `cassandra` and `rocksdb` implement it; `mock` for
// tests.
//
// Thread safety: every method may be called concurrently from any executor; the returned task
// resumes on the caller's. Arguments given as span must stay valid until the task is done. Errors:
// kNotFound where documented; kUnavailable when the store did not answer within its deadline and
// retries; kUnauthorized; kInvalid when keyspace, table or their shape is not as expected.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/product.h"
#include "dataflow/task.h"

namespace dataflow {

// Microseconds since the Unix epoch: the write time of a row. Two versions of a row never share one
// (see ProductService::writer_number).
using WriteTime = std::int64_t;

class ProductService {
 public:
  virtual ~ProductService() = default;

  // The product with this id; kNotFound where the store has none.
  virtual Task<Result<Product>> find(ProductId id) = 0;

  // One element for each id, in order; nullopt where the store has none.
  virtual Task<Result<std::vector<std::optional<Product>>>> find_many(
      std::span<const ProductId> ids) = 0;

  // Stores whole rows: a field that a product does not have is null afterwards, whatever it was.
  // No id stands twice in `products`. The ids' versions are ordered by `time`: the newest holds. A
  // store that keeps no write times (the embedded one) relies on its caller not to overlap two
  // saves of one id. `stored` has products.size() elements, false on entry; element i is true on
  // return when the store has acknowledged products[i] at the configured consistency, also when the
  // result is an error. A timeout is not an acknowledgement: such a row may or may not be there.
  // The service splits the rows into batches the server likes, bounds what is in flight, and
  // retries.
  virtual Task<Result<void>> save_many(std::span<const ProductView> products, WriteTime time,
                                       std::span<bool> stored) = 0;

  // What this incarnation of the table is: changes when the table is truncated, dropped and
  // recreated, when it is another cluster's, or by trust_cache() and disown_caches(). A cache
  // belongs to one incarnation. Lines of text: the first names the table and stays, the last is all
  // that trust_cache() and disown_caches() change. Asking changes nothing.
  virtual Task<Result<std::string>> incarnation() = 0;

  // From now on `cache` (Cache::identity) is the one that is told of what is written. Where it was
  // another one, or none, the table gets a new incarnation, so that nothing that any cache was
  // filled with before is believed. Returns the incarnation. kUnauthorized where the store does not
  // allow it.
  virtual Task<Result<std::string>> trust_cache(std::string_view cache) = 0;

  // Gives the table a new incarnation: from now on no cache is told of what is written. To be
  // called before rows are written that the cache cannot be told of, and after rows were written of
  // which another cache, trusted meanwhile, was not told. Otherwise as trust_cache().
  virtual Task<Result<std::string>> disown_caches() = 0;

  // The number of one more writer: modulo kWritersApart it is none of those that the
  // kWritersApart - 1 before it got, in whatever process. Writers at the same time tell their write
  // times apart by it, so each asks once, before its first save_many(). A store that keeps no write
  // times may give all the same, and one that is to do without a majority of its replicas any.
  // kUnauthorized where the store does not allow it.
  static constexpr std::uint64_t kWritersApart = 1024;
  virtual Task<Result<std::uint64_t>> writer_number() = 0;

  // Makes everything written so far survive a loss of power where the store leaves that to its
  // caller.
  virtual Task<Result<void>> flush() = 0;
};

// What two incarnations have in common when the rows are still those of one table (see
// incarnation()).
inline std::string_view table_of(std::string_view incarnation) {
  return incarnation.substr(0, incarnation.rfind('\n'));
}

}  // namespace dataflow
