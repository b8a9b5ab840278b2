#include "dataflow/cassandra/gathered_finds.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdint>
#include <iterator>
#include <utility>

#include "dataflow/cassandra/rows.h"

namespace dataflow::cassandra {

Task<Result<Product>> GatheredFinds::find(ProductId id) {
  const auto executor = co_await boost::asio::this_coro::executor;
  auto begin = [this, id, &executor](auto done) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({id, std::move(done)});
      if (waiting_.size() > 1) return;
    }
    boost::asio::co_spawn(executor, send(*this), boost::asio::detached);
  };
  auto found = co_await async_value<Result<Product>>(begin);
  co_return std::move(found);
}

Task<void> GatheredFinds::send(GatheredFinds& self) {
  const auto executor = co_await boost::asio::this_coro::executor;
  // Behind all that is ready now.
  co_await boost::asio::post(executor, boost::asio::use_awaitable);
  Group all;
  {
    const std::lock_guard lock(self.mutex_);
    all.swap(self.waiting_);
  }
  for (std::size_t first = 0; first < all.size(); first += kMostTogether) {
    const std::size_t count = std::min(kMostTogether, all.size() - first);
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    Group group(std::make_move_iterator(begin),
                std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count)));
    boost::asio::co_spawn(executor, read(self, std::move(group)), boost::asio::detached);
  }
}

Task<void> GatheredFinds::read(GatheredFinds& self, Group group) {
  std::vector<ProductId> ids;
  ids.reserve(group.size());
  for (const Wanted& wanted : group) ids.push_back(wanted.id);
  if (self.may_be_together(ids)) {
    auto rows = co_await self.connection_.select_together(ids);
    if (rows) {
      for (Wanted& wanted : group) wanted.done(next_product(*rows, wanted.id));
      co_return;
    }
    if (rows.error().code == ErrorCode::kInvalid) self.refused_ = true;
  }
  const auto executor = co_await boost::asio::this_coro::executor;
  for (Wanted& wanted : group) {
    boost::asio::co_spawn(executor, read_one(self, std::move(wanted)), boost::asio::detached);
  }
}

Task<void> GatheredFinds::read_one(GatheredFinds& self, Wanted wanted) {
  const std::array<ProductId, 1> ids{wanted.id};
  auto rows = co_await self.connection_.select(ids);
  wanted.done(rows ? next_product(*rows, wanted.id)
                   : Result<Product>(std::unexpected(std::move(rows.error()))));
}

bool GatheredFinds::may_be_together(const std::vector<ProductId>& ids) {
  if (ids.size() < 2 || refused_.load(std::memory_order_relaxed)) return false;
  std::vector<std::uint32_t> groups(ids.size());
  connection_.replica_groups(ids, groups);
  return std::ranges::all_of(groups, [&](std::uint32_t group) { return group == groups.front(); });
}

}  // namespace dataflow::cassandra
