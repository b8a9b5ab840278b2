// Goal: what is saved is what is found, value for value; the newest write holds; the server finds
// no fault with our batches.
#include <gmock/gmock.h>

#include <cmath>
#include <future>
#include <limits>

#include "dataflow/cassandra/live_testing.h"
#include "dataflow/cassandra/rows.h"
#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {
namespace {

using testing::Each;
using testing::HasSubstr;

class SaveLive : public LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    if (HasFatalFailure()) return;
    provision_tables();
    service_ = connect();
    ASSERT_NE(service_, nullptr);
  }

  Result<void> save(const std::vector<Product>& products, WriteTime time) {
    std::vector<ProductView> views;
    for (const Product& product : products) views.push_back(view_of(product));
    stored_ = std::make_unique<bool[]>(products.size());
    auto result = run_on(pool_, service_->save_many(views, time, stored(products.size())));
    if (result) {
      EXPECT_THAT(stored(products.size()), Each(true));
    }
    return result;
  }

  void save_well(const std::vector<Product>& products, WriteTime time = now_us()) {
    const auto result = save(products, time);
    ASSERT_TRUE(result) << result.error().describe();
  }

  std::span<bool> stored(std::size_t size) { return {stored_.get(), size}; }

  Result<Product> find(ProductId id) { return run_on(pool_, service_->find(id)); }

  std::unique_ptr<bool[]> stored_;
  std::unique_ptr<ProductService> service_;
};

TEST_F(SaveLive, EveryValueComesBack) {
  const std::vector<Product> products = {
      {0, "zero", 0.0, "", "", "", ""},
      {1, "漢字 кофе emoji😀 größe", 0.1, "a\"b\\c\td\n", std::string("n\0l", 3), "u", "d"},
      {2, "bare", {}, {}, {}, {}, {}},
      {3, "negative zero", -0.0, {}, "b", {}, "d"},
      {4, "smallest", std::numeric_limits<double>::denorm_min(), {}, {}, {}, {}},
      {kMaxProductId, "largest", std::numeric_limits<double>::max(), "c", "b", "u", "d"}};
  save_well(products);
  for (const Product& product : products) EXPECT_EQ(find(product.id), product) << product.title;
  EXPECT_TRUE(std::signbit(*find(3)->price));
}

TEST_F(SaveLive, AFieldThatIsDroppedIsNullAfterwards) {
  save_well({{7, "title", 1.5, "c", "b", "u", "d"}}, 1'000);
  const Product bare{7, "other", {}, {}, {}, {}, {}};
  save_well({bare}, 2'000);
  EXPECT_EQ(find(7), bare);
  // The same within a batch.
  const Product full{8, "title", 1.5, "c", "b", "u", "d"};
  save_well({full, {9, "n", 1.0, "c", "b", "u", "d"}}, 1'000);
  save_well({{8, "other", {}, {}, {}, {}, {}}, {9, "n", {}, {}, {}, {}, {}}}, 2'000);
  EXPECT_EQ(find(8), (Product{8, "other", {}, {}, {}, {}, {}}));
}

// Why two jobs must not share a write time.
TEST_F(SaveLive, OfTwoVersionsWithOneWriteTimeTheRowIsAMixture) {
  save_well({{1, "b", 1.0, "a", {}, "u", {}}}, 1'000);
  save_well({{1, "a", 2.0, "b", "b", {}, {}}}, 1'000);
  const auto found = find(1);
  ASSERT_TRUE(found) << found.error().describe();
  EXPECT_EQ(found->title, "b");
  EXPECT_EQ(found->category, "b");
}

TEST_F(SaveLive, TheNewestWriteTimeHoldsWhateverComesLast) {
  const Product older{1, "older", 1.0, "c", {}, {}, {}};
  const Product newer{1, "newer", 2.0, {}, "b", {}, {}};
  save_well({newer}, 2'000);
  save_well({older}, 1'000);
  EXPECT_EQ(find(1), newer);
  save_well({{2, "older", {}, {}, {}, {}, {}}, {3, "x", {}, {}, {}, {}, {}}}, 1'000);
  save_well({{2, "newer", {}, {}, {}, {}, {}}, {3, "y", {}, {}, {}, {}, {}}}, 2'000);
  EXPECT_EQ(find(2)->title, "newer");
}

TEST_F(SaveLive, WhatIsNotThereIsNotFound) {
  save_well({{1, "one", {}, {}, {}, {}, {}}, {3, "three", {}, {}, {}, {}, {}}});
  const auto missing = find(2);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const std::vector<ProductId> ids{3, 2, 1};
  const auto found = run_on(pool_, service_->find_many(ids));
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)[0]->title, "three");
  EXPECT_FALSE((*found)[1]);
  EXPECT_EQ((*found)[2]->title, "one");
}

TEST_F(SaveLive, NothingToSaveOrFindIsFine) {
  save_well({});
  EXPECT_TRUE(run_on(pool_, service_->find_many({}))->empty());
  EXPECT_TRUE(run_on(pool_, service_->flush()));
}

Product numbered(ProductId id) {
  Product product{id, "title " + std::to_string(id), static_cast<double>(id) / 7, {}, {}, {}, {}};
  if (id % 3 != 0) product.category = "category " + std::to_string(id % 10);
  if (id % 5 != 0) product.brand = std::string(static_cast<std::size_t>(id % 50), 'b');
  product.description = std::string(static_cast<std::size_t>(id * 31 % 900), 'd');
  return product;
}

TEST_F(SaveLive, TwentyThousandRowsOfConcurrentCallsComeBackEqual) {
  constexpr std::size_t kRows = 20'000;
  constexpr std::size_t kCall = 500;
  std::vector<Product> products;
  for (std::size_t id = 0; id < kRows; ++id)
    products.push_back(numbered(static_cast<ProductId>(id)));
  std::vector<ProductView> views;
  for (const Product& product : products) views.push_back(view_of(product));
  stored_ = std::make_unique<bool[]>(kRows);
  std::vector<std::future<Result<void>>> calls;
  for (std::size_t i = 0; i < kRows; i += kCall) {
    calls.push_back(
        boost::asio::co_spawn(pool_,
                              service_->save_many(std::span(views).subspan(i, kCall), now_us(),
                                                  stored(kRows).subspan(i, kCall)),
                              boost::asio::use_future));
  }
  for (auto& call : calls) {
    const auto result = call.get();
    EXPECT_TRUE(result) << result.error().describe();
  }
  EXPECT_THAT(stored(kRows), Each(true));

  std::vector<ProductId> ids;
  for (const Product& product : products) ids.push_back(product.id);
  const auto found = run_on(pool_, service_->find_many(ids));
  ASSERT_TRUE(found) << found.error().describe();
  std::size_t different = 0;
  for (std::size_t i = 0; i < kRows; ++i) different += (*found)[i] != products[i] ? 1 : 0;
  EXPECT_EQ(different, 0U);
}

TEST_F(SaveLive, RowsOverTheThresholdsAreSavedToo) {
  std::vector<Product> products;
  for (ProductId id = 0; id < 5; ++id) {
    products.push_back({id, "small", {}, {}, {}, {}, {}});
    products.push_back({id + 100, "large", {}, {}, {}, {}, std::string(200'000, 'x')});
  }
  save_well(products);
  for (const Product& product : products) EXPECT_EQ(find(product.id), product);
}

TEST_F(SaveLive, ARowTooLargeForTheServerIsRefusedAndTheOthersAreStored) {
  // The default limit on a mutation is half a commit log segment, 16 MiB.
  const auto start = std::chrono::steady_clock::now();
  const auto result = save(
      {{1, "small", {}, {}, {}, {}, {}}, {2, "large", {}, {}, {}, {}, std::string(17 << 20, 'x')}},
      now_us());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid) << result.error().describe();
  EXPECT_TRUE(stored_[0]);
  EXPECT_FALSE(stored_[1]);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(find(1)->title, "small") << "the connection goes on";
}

TEST_F(SaveLive, ATableThatIsDroppedUnderOurHandsIsInvalid) {
  ASSERT_TRUE(cql("DROP TABLE KS.products"));
  const auto saved = save({{1, "a", {}, {}, {}, {}, {}}, {2, "b", {}, {}, {}, {}, {}}}, now_us());
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kInvalid) << saved.error().describe();
  const auto found = find(1);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid) << found.error().describe();
}

// Those that come at the same moment are read by one SELECT, those that come alone by their own.
TEST_F(SaveLive, WhatIsFoundTogetherIsWhatIsFoundAlone) {
  std::vector<Product> products;
  for (ProductId id = 0; id < 200; id += 2) {
    products.push_back({id, "title " + std::to_string(id), {}, "c", {}, "u", "d"});
    if (id % 3 == 0) products.back().price = static_cast<double>(id);
    if (id % 4 == 0) products.back().category.reset();
  }
  products.back().id = kMaxProductId;
  save_well(products);
  std::vector<ProductId> ids = {kMaxProductId, 2, 2, kMaxProductId - 1};
  for (ProductId id = 0; id < 200; ++id) ids.push_back(id * 7 % 200);
  boost::asio::io_context io;
  std::vector<std::future<Result<Product>>> together;
  for (const ProductId id : ids) {
    together.push_back(boost::asio::co_spawn(io, service_->find(id), boost::asio::use_future));
  }
  io.run();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto here = together[i].get();
    const auto alone = find(ids[i]);
    if (alone) {
      EXPECT_EQ(here.value(), *alone);
      EXPECT_EQ(here->id, ids[i]);
    } else {
      EXPECT_EQ(alone.error().code, ErrorCode::kNotFound);
      EXPECT_EQ(here.error(), alone.error());
    }
  }
}

// The server refuses a batch that is one byte over batch_size_fail_threshold by the very measure
// that it warns by: that is how data_size() is known to be exact.
TEST_F(SaveLive, DataSizeIsTheServersMeasureToTheByte) {
  auto settings =
      cql("SELECT value FROM system_views.settings WHERE name = 'batch_size_fail_threshold'");
  ASSERT_TRUE(settings);
  ASSERT_FALSE(settings->done());
  BatchLimits threshold;
  apply_setting("batch_size_warn_threshold", settings->next().bytes, threshold);
  ASSERT_TRUE(run_on(pool_, connection_->prepare(insert_product(options_.keyspace),
                                                 select_product(options_.keyspace),
                                                 select_products(options_.keyspace))));
  constexpr ProductId kRows = 10;
  for (const std::size_t over : {0, 1}) {
    EncodedRows rows;
    std::size_t left = threshold.bytes + over;
    for (ProductId id = 0; id < kRows; ++id) {
      Product product{id, "title", {}, {}, {}, "u", {}};
      if (id % 2 == 0) product.price = 1.0;
      const std::size_t size = data_size(view_of(product));
      const auto share = id + 1 < kRows ? threshold.bytes / kRows : left;
      product.description = std::string(share - size, 'd');
      left -= data_size(view_of(product));
      rows.append(view_of(product));
    }
    ASSERT_EQ(left, 0U);
    const auto result =
        run_on(pool_, connection_->save(rows.bytes, rows.lengths, kColumns, now_us()));
    if (over == 0) {
      EXPECT_TRUE(result) << result.error().describe();
    } else {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
      EXPECT_THAT(result.error().message, HasSubstr("Batch too large"));
    }
  }
}

}  // namespace
}  // namespace dataflow::cassandra
