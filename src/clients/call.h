// Awaiting a call of the Rust clients. For the .cc files of the adapters only: no type of the
// bridge leaves them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "clients/completion.h"
#include "clients/src/bridge.rs.h"
#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow::clients {

// The domain's error in a reply that is not ok.
Error error_of(const Reply& reply);

// Calls `start` with the completion and awaits its reply. Slices that `start` passes on are
// borrowed until then: keep what they point into in the frame that awaits this. `start` captures
// references and plain values only (see async_value).
template <class Start>
Task<Result<Reply>> call(Start start) {
  static_assert(std::is_trivially_destructible_v<Start>);
  auto begin = [&start](auto done) {
    start(std::make_unique<Completion>(
        [done = std::move(done)](Reply* reply) mutable { done(std::move(*reply)); }));
  };
  Reply finished = co_await async_value<Reply>(begin);
  if (finished.status != Status::Ok) co_return std::unexpected(error_of(finished));
  co_return std::move(finished);
}

// The values of a reply, one after another.
class Values {
 public:
  explicit Values(const Reply& reply) : reply_(reply) {}

  struct Value {
    std::string_view bytes;
    bool null = false;     // -1
    bool missing = false;  // -2: no such row
  };

  bool done() const { return next_ == reply_.lengths.size(); }
  Value next();

 private:
  const Reply& reply_;
  std::size_t next_ = 0;
  std::size_t offset_ = 0;
};

}  // namespace dataflow::clients
