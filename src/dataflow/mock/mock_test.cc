// Goal: the mocks do what a test tells them to, and tell when they were not told.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "dataflow/mock/cache.h"
#include "dataflow/mock/fetch.h"
#include "dataflow/mock/memory_cache.h"
#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/memory_store.h"
#include "dataflow/mock/product_service.h"
#include "dataflow/mock/wait.h"

namespace dataflow::mock {
namespace {

Product product(ProductId id, std::string title) {
  return {id, std::move(title), 1.5, {}, "b", {}, {}};
}

Task<Result<Product>> find_later(ProductId id) {
  auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, std::chrono::milliseconds(1));
  co_await timer.async_wait(boost::asio::use_awaitable);
  co_return product(id, "later");
}

Task<int> forever() {
  co_return co_await async_value<int>([](auto) {});
}

TEST(Mock, AMethodWithoutAFunctionIsAnErrorThatNamesIt) {
  ProductService products;
  Cache cache;
  Fetch fetch;
  Reader reader;
  EXPECT_EQ(wait(products.find(1)).error().message, "ProductService::find was not expected");
  EXPECT_EQ(wait(cache.forget({}, 0, 1)).error().message, "Cache::forget was not expected");
  EXPECT_EQ(wait(fetch.list("x")).error().message, "Fetch::list was not expected");
  EXPECT_EQ(wait(reader.read({})).error().code, ErrorCode::kInternal);
}

TEST(Mock, AFunctionMayReturnAValueAnErrorOrATask) {
  ProductService products;
  int calls = 0;
  products.find_fn = [&calls](ProductId id) {
    ++calls;
    return product(id, "now");
  };
  EXPECT_EQ(wait(products.find(7))->title, "now");
  products.find_fn = [](ProductId) { return fail(ErrorCode::kUnavailable, "down"); };
  EXPECT_EQ(wait(products.find(7)).error().code, ErrorCode::kUnavailable);
  products.find_fn = find_later;
  EXPECT_EQ(wait(products.find(7))->title, "later");
  products.flush_fn = [&calls] { ++calls; };
  EXPECT_TRUE(wait(products.flush()));
  EXPECT_EQ(calls, 2);
}

TEST(Mock, InFrontOfAnotherItReplacesWhatTheTestWants) {
  MemoryStore store;
  ProductService products(store);
  bool stored[1] = {false};
  const Product saved = product(1, "t");
  const ProductView views[] = {view_of(saved)};
  ASSERT_TRUE(wait(products.save_many(views, 5, stored)));
  EXPECT_EQ(*wait(products.find(1)), saved);
  EXPECT_EQ(*wait(products.incarnation()), *wait(store.incarnation()));
  products.find_fn = [](ProductId) { return fail(ErrorCode::kUnavailable, "down"); };
  EXPECT_FALSE(wait(products.find(1)));
  EXPECT_EQ(store.products().size(), 1u);

  MemoryCache memory;
  Cache cache(memory);
  ASSERT_TRUE(wait(cache.open("x")));
  const ProductId ids[] = {1};
  const CacheEntry entries[] = {{CacheEntry::State::kStored, false, {1, 2}, 3, 4}};
  EXPECT_EQ(*wait(cache.remember(ids, entries, kNoObject)), 0u);
  EXPECT_EQ(memory.entries().at(1), entries[0]);
  EXPECT_TRUE(*wait(cache.still_trustworthy()));

  MemoryFetch strings;
  Fetch fetch(strings);
  const Object object = strings.put("a", "b");
  EXPECT_EQ(*wait(fetch.stat("a")), object);
}

TEST(Wait, ATaskThatCannotEndIsAnErrorAndNoHangingTest) { EXPECT_ANY_THROW(wait(forever())); }

TEST(MemoryStore, TheNewestTimeHoldsAndATieIsCounted) {
  MemoryStore store;
  bool stored[1] = {false};
  const auto save = [&](std::string title, WriteTime time) {
    const Product one = product(1, std::move(title));
    const ProductView views[] = {view_of(one)};
    return wait(store.save_many(views, time, stored));
  };
  ASSERT_TRUE(save("second", 2));
  ASSERT_TRUE(save("first", 1));
  EXPECT_EQ(wait(store.find(1))->title, "second");
  EXPECT_EQ(store.ties(), 0u);
  ASSERT_TRUE(save("second", 2));
  EXPECT_EQ(store.ties(), 0u);
  ASSERT_TRUE(save("other", 2));
  EXPECT_EQ(store.ties(), 1u);
  EXPECT_EQ(store.time_of(1), 2);
  EXPECT_EQ(store.rows_written(), 4u);
}

TEST(MemoryStore, AFaultyRowIsNotAcknowledgedNorWhatComesAfterIt) {
  MemoryStore store;
  const Product products[] = {product(1, "a"), product(2, "b"), product(3, "c")};
  const ProductView views[] = {view_of(products[0]), view_of(products[1]), view_of(products[2])};
  const auto break_at_two = [](const ProductView& view) -> Result<void> {
    if (view.id == 2) return fail(ErrorCode::kUnavailable, "timeout");
    return {};
  };
  bool refused[3] = {};
  store.before_row = break_at_two;
  EXPECT_EQ(wait(store.save_many(views, 1, refused)).error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(refused[0] && !refused[1] && !refused[2]);
  EXPECT_EQ(store.products().size(), 1u);

  bool timed_out[3] = {};
  store.before_row = nullptr;
  store.after_row = break_at_two;
  EXPECT_FALSE(wait(store.save_many(views, 2, timed_out)));
  EXPECT_TRUE(timed_out[0] && !timed_out[1] && !timed_out[2]);
  EXPECT_EQ(store.products().size(), 2u);
}

TEST(MemoryStore, EveryWriterGetsTheNextNumberAlsoThroughAMock) {
  MemoryStore store;
  ProductService mocked(store);
  EXPECT_EQ(store.writers(), 0u);
  EXPECT_EQ(wait(store.writer_number()), 1u);
  EXPECT_EQ(wait(mocked.writer_number()), 2u);
  EXPECT_EQ(store.writers(), 2u);
}

TEST(MemoryStore, TruncatedOrDisownedItIsAnotherIncarnation) {
  MemoryStore store;
  const auto first = wait(store.incarnation());
  store.truncate();
  const auto second = wait(store.incarnation());
  ASSERT_TRUE(wait(store.disown_caches()));
  const auto third = wait(store.incarnation());
  EXPECT_NE(*first, *second);
  EXPECT_NE(*second, *third);
  EXPECT_EQ(wait(store.find(1)).error().code, ErrorCode::kNotFound);
  const ProductId ids[] = {1, 2};
  EXPECT_EQ(wait(store.find_many(ids))->size(), 2u);
}

Task<Result<std::string>> read_all(MemoryFetch& fetch, Object object) {
  auto reader = co_await fetch.open(object);
  if (!reader) co_return std::unexpected(reader.error());
  std::string content;
  char buffer[7];
  while (true) {
    auto count = co_await (*reader)->read(buffer);
    if (!count) co_return std::unexpected(count.error());
    if (*count == 0) co_return content;
    content.append(buffer, *count);
  }
}

TEST(MemoryFetch, ListsInOrderPageByPageAndReadsInPieces) {
  MemoryFetch fetch;
  fetch.page = 2;
  fetch.piece = 3;
  for (const char* name : {"s/c", "s/a", "t/d", "s/b"})
    fetch.put(name, std::string("content ") + name);
  auto listing = wait(fetch.list("s/*"));
  ASSERT_TRUE(listing);
  const auto first = wait((*listing)->next());
  const auto second = wait((*listing)->next());
  ASSERT_EQ(first->size(), 2u);
  ASSERT_EQ(second->size(), 1u);
  EXPECT_EQ(first->at(0).name, "s/a");
  EXPECT_EQ(second->at(0).name, "s/c");
  EXPECT_TRUE(wait((*listing)->next())->empty());
  EXPECT_EQ(*wait(read_all(fetch, first->at(1))), "content s/b");
  EXPECT_EQ(fetch.opens("s/b"), 1u);
  EXPECT_EQ(fetch.opens("s/a"), 0u);
  EXPECT_EQ(wait(fetch.list("u*")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(wait(fetch.list("")).error().code, ErrorCode::kInvalid);
}

TEST(MemoryFetch, AnObjectThatChangesIsAConflictAndOneThatGoesIsNotFound) {
  MemoryFetch fetch;
  const Object listed = fetch.put("a", "one");
  fetch.put("a", "two");
  EXPECT_EQ(wait(fetch.open(listed)).error().code, ErrorCode::kConflict);
  fetch.before_read = [&fetch](const Object&, std::uint64_t offset) -> Result<void> {
    if (offset > 0) fetch.put("a", "three");
    return {};
  };
  EXPECT_EQ(wait(read_all(fetch, *wait(fetch.stat("a")))).error().code, ErrorCode::kConflict);
  fetch.before_read = [&fetch](const Object&, std::uint64_t offset) -> Result<void> {
    if (offset > 0) fetch.remove("a");
    return {};
  };
  EXPECT_EQ(wait(read_all(fetch, *wait(fetch.stat("a")))).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(wait(fetch.stat("a")).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(fetch.put_stream("-", "x").version.empty());
}

}  // namespace
}  // namespace dataflow::mock
