// Goal: the small parts that the stages stand on keep their contracts: comparing, write times,
// budgets, tickets, the merged listing.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/wait.h"
#include "dataflow/pipeline/budget.h"
#include "dataflow/pipeline/compare.h"
#include "dataflow/pipeline/listing.h"
#include "dataflow/pipeline/tickets.h"
#include "dataflow/pipeline/write_clock.h"

namespace dataflow::pipeline {
namespace {

using mock::MemoryFetch;

// ---- compare

TEST(Compare, EveryCase) {
  const Fingerprint same{1, 2}, other{3, 4};
  auto entry = [&](CacheEntry::State state, bool repeated = false) {
    return CacheEntry{state, repeated, same, 5, 6};
  };
  using State = CacheEntry::State;
  EXPECT_EQ(compare(same, entry(State::kAbsent), {}), Action::kAdd);
  EXPECT_EQ(compare(same, entry(State::kDirty), {}), Action::kChange);
  EXPECT_EQ(compare(same, entry(State::kStored), {}), Action::kKeep);
  EXPECT_EQ(compare(other, entry(State::kStored), {}), Action::kChange);
  EXPECT_EQ(compare(same, entry(State::kStored), {.replaces_written = true}), Action::kChange);
  EXPECT_EQ(compare(same, entry(State::kStored), {.recordable = true}), Action::kTakeOver);
  EXPECT_EQ(
      compare(same, entry(State::kStored), {.recordable = true, .owner = OwnerIs::kThisObject}),
      Action::kKeep);
  EXPECT_EQ(
      compare(same, entry(State::kStored), {.recordable = true, .owner = OwnerIs::kListedLater}),
      Action::kKeep);
  EXPECT_EQ(compare(other, entry(State::kStored), {.owner = OwnerIs::kSkippedLater}),
            Action::kDrop);
  const CompareFacts later{.may_defer = true, .owner = OwnerIs::kListedLater};
  EXPECT_EQ(compare(other, entry(State::kStored), later), Action::kDefer);
  EXPECT_EQ(compare(other, entry(State::kStored), {.owner = OwnerIs::kListedLater}),
            Action::kChange);
  const CompareFacts own{.may_defer = true, .owner = OwnerIs::kThisObject};
  EXPECT_EQ(compare(other, entry(State::kStored, true), own), Action::kDefer);
  EXPECT_EQ(compare(other, entry(State::kStored, false), own), Action::kChange);
}

// ---- WriteClock

WriteTime now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

TEST(WriteClock, FollowsTheClockAndNeverRunsAheadOfIt) {
  const WriteTime before = now_us();
  WriteClock clock(5);
  WriteTime last = 0;
  for (int i = 0; i < 50; ++i) {
    const WriteTime time = mock::wait(clock.next(0, true));
    EXPECT_GT(time, last);
    EXPECT_GT(time, before);
    EXPECT_EQ(time % WriteClock::kStepUs, 5);
    EXPECT_LT(time, now_us() + WriteClock::kStepUs);
    last = time;
  }
}

TEST(WriteClock, GoesBehindATimeThatAnotherClockSet) {
  WriteClock clock(0);
  const WriteTime ahead = now_us() + 3'600'000'000;
  EXPECT_GT(mock::wait(clock.next(ahead, false)), ahead);
}

TEST(WriteClock, ANumberBeyondTheLastSlotBeginsAnew) {
  for (const std::uint64_t number : {std::uint64_t{0}, ProductService::kWritersApart - 1,
                                     ProductService::kWritersApart + 7, ~std::uint64_t{0}}) {
    WriteClock clock(number);
    EXPECT_EQ(static_cast<std::uint64_t>(mock::wait(clock.next(0, false))) %
                  ProductService::kWritersApart,
              number % ProductService::kWritersApart);
  }
}

TEST(WriteClock, JobsWithOtherSlotsNeverShareATime) {
  WriteClock one(1), two(2);
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(mock::wait(one.next(0, false)), mock::wait(two.next(0, false)));
  }
}

// ---- Budget, Tickets

Task<void> take_and_note(Budget& budget, std::uint64_t amount, std::vector<std::uint64_t>& order,
                         std::vector<Budget::Lease>& leases) {
  leases.push_back(co_await budget.acquire(amount));
  order.push_back(amount);
}

TEST(Budget, FirstComeFirstServedAndNeverMoreThanThereIs) {
  boost::asio::io_context io;
  Budget budget(10);
  std::vector<std::uint64_t> order;
  std::vector<Budget::Lease> leases;
  leases.reserve(8);
  for (std::uint64_t amount : {6, 5, 1, 100}) {
    boost::asio::co_spawn(io, take_and_note(budget, amount, order, leases), boost::asio::detached);
  }
  io.poll();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{6}));
  leases[0].release();
  io.restart();
  io.poll();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{6, 5, 1}));
  // More than there is at all: when nobody else has any.
  leases[1].release();
  leases[2].release();
  io.restart();
  io.poll();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{6, 5, 1, 100}));
}

Task<void> wait_and_note(Tickets& tickets, std::uint64_t number, bool& done) {
  co_await tickets.wait_before(number);
  done = true;
}

TEST(Tickets, WaitForOlderOnesOnly) {
  boost::asio::io_context io;
  Tickets tickets;
  auto first = std::make_unique<Tickets::Ticket>(tickets.take());
  auto second = tickets.take();
  auto third = std::make_unique<Tickets::Ticket>(tickets.take());
  bool second_may = false, first_may = false;
  boost::asio::co_spawn(io, wait_and_note(tickets, second.number(), second_may),
                        boost::asio::detached);
  boost::asio::co_spawn(io, wait_and_note(tickets, first->number(), first_may),
                        boost::asio::detached);
  io.poll();
  EXPECT_TRUE(first_may);
  EXPECT_FALSE(second_may);
  third.reset();
  io.restart();
  io.poll();
  EXPECT_FALSE(second_may);
  first.reset();
  io.restart();
  io.poll();
  EXPECT_TRUE(second_may);
}

// ---- MergedListing

Task<Result<std::vector<std::string>>> list_all(std::vector<Source> sources) {
  MergedListing listing(std::move(sources));
  auto opened = co_await listing.open();
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  std::vector<std::string> names;
  for (;;) {
    auto page = co_await listing.next();
    if (!page) co_return std::unexpected(std::move(page.error()));
    if (page->empty()) co_return names;
    for (const auto& listed : *page) names.push_back(listed.object.name);
  }
}

TEST(MergedListing, InByteOrderOverAllSourcesEachOnceStandardInputLast) {
  auto fetch = std::make_shared<MemoryFetch>();
  fetch->page = 2;
  for (const char* name : {"x/b", "x/a", "y/a", "y/Z", "x/c"}) fetch->put(name, "");
  fetch->put_stream("-", "");
  const auto names =
      mock::wait(list_all({{fetch, "-"}, {fetch, "y/*"}, {fetch, "x/*"}, {fetch, "x/b"}}));
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (std::vector<std::string>{"x/a", "x/b", "x/c", "y/Z", "y/a", "-"}));
}

TEST(MergedListing, ASourceThatNamesNothingIsAnError) {
  auto fetch = std::make_shared<MemoryFetch>();
  EXPECT_EQ(mock::wait(list_all({{fetch, "nothing"}})).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace dataflow::pipeline
