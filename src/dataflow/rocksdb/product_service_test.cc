// Goal: what the embedded store acknowledged is there, whatever happens to the process or its disk.
#include "dataflow/rocksdb/product_service.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <random>
#include <thread>

#include "dataflow/mock/wait.h"
#include "dataflow/rocksdb/product_codec.h"
#include "dataflow/rocksdb/test_support.h"

namespace dataflow::rocksdb {
namespace {

using mock::wait;
using testing::Peer;
using testing::product_of;
using testing::TempDir;

class ProductServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    service_.reset();
    database_.reset();
    Options options;
    options.path = dir_ / "db";
    auto opened = Database::open(options);
    ASSERT_TRUE(opened) << opened.error().describe();
    database_ = *opened;
    service_ = std::make_unique<ProductService>(database_);
  }
  void close() {
    service_.reset();
    database_.reset();
  }
  Result<void> save(const std::vector<Product>& products) {
    std::vector<ProductView> views;
    for (const Product& product : products) views.push_back(view_of(product));
    const auto stored = std::make_unique<bool[]>(products.size());
    auto saved = wait(service_->save_many(views, 1, std::span(stored.get(), products.size())));
    for (std::size_t i = 0; i < products.size(); ++i) EXPECT_EQ(stored[i], saved.has_value());
    return saved;
  }
  // Whether each of `count` products from `first` on is there in `version`.
  void expect_all(ProductId first, std::size_t count, int version) {
    std::vector<ProductId> ids;
    for (std::size_t i = 0; i < count; ++i) ids.push_back(first + static_cast<ProductId>(i));
    const auto found = wait(service_->find_many(ids));
    ASSERT_TRUE(found) << found.error().describe();
    std::size_t missing = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if ((*found)[i] != product_of(ids[i], version)) ++missing;
    }
    EXPECT_EQ(missing, 0u) << "of " << count;
  }

  const TempDir dir_;
  std::shared_ptr<Database> database_;
  std::unique_ptr<ProductService> service_;
};

TEST_F(ProductServiceTest, FindsWhatWasSavedAlsoWhenOpenedAgain) {
  std::vector<Product> products = {{0, "zero", {}, {}, {}, {}, {}}};
  products.push_back({kMaxProductId, "last", -1.5, "c", "", "u", "d"});
  for (ProductId id = 1; id <= 1'000; ++id) products.push_back(product_of(id, 1));
  ASSERT_TRUE(save(products));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(*wait(service_->find(0)), products[0]);
    EXPECT_EQ(*wait(service_->find(kMaxProductId)), products[1]);
    expect_all(1, 1'000, 1);
    open();
  }
}

TEST_F(ProductServiceTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(wait(service_->find(7)).error(),
            (Error{ErrorCode::kNotFound, "there is no product 7", ""}));
  ASSERT_TRUE(save({product_of(7, 1)}));
  const ProductId ids[] = {8, 7, 9, 7};
  const auto found = wait(service_->find_many(ids));
  ASSERT_TRUE(found);
  const std::vector<std::optional<Product>> expected = {std::nullopt, product_of(7, 1),
                                                        std::nullopt, product_of(7, 1)};
  EXPECT_EQ(*found, expected);
  EXPECT_TRUE(wait(service_->find_many({}))->empty());
}

TEST_F(ProductServiceTest, ALaterSaveReplacesTheWholeRow) {
  ASSERT_TRUE(save({{1, "full", 1.0, "c", "b", "u", "d"}}));
  const Product bare{1, "bare", {}, {}, {}, {}, {}};
  ASSERT_TRUE(save({bare}));
  EXPECT_EQ(*wait(service_->find(1)), bare);
}

TEST_F(ProductServiceTest, ManyAndLargeRowsAreSplitIntoSeveralWrites) {
  std::vector<Product> products = {{5, "large", {}, {}, {}, {}, std::string(16 << 20, 'x')}};
  for (ProductId id = 10'000; id > 100; --id) products.push_back(product_of(id, 3));
  ASSERT_TRUE(save(products));
  EXPECT_EQ(*wait(service_->find(5)), products[0]);
  expect_all(101, 9'900, 3);
  ASSERT_TRUE(save({}));
}

TEST_F(ProductServiceTest, SavesFromSeveralThreadsAreAllThere) {
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([this, thread] {
        for (ProductId id = thread * 10'000; id < thread * 10'000 + 2'000; id += 100) {
          std::vector<Product> products;
          for (ProductId i = id; i < id + 100; ++i) products.push_back(product_of(i, 1));
          EXPECT_TRUE(save(products));
        }
      });
    }
  }
  for (int thread = 0; thread < 4; ++thread) expect_all(thread * 10'000, 2'000, 1);
}

TEST_F(ProductServiceTest, ADamagedRowIsAnErrorAndNoCrash) {
  ASSERT_TRUE(database_->db()
                  .Put({}, database_->family(Family::kProducts), ProductKey(3).view(), "nonsense")
                  .ok());
  const auto found = wait(service_->find(3));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInternal);
  const ProductId ids[] = {3};
  EXPECT_EQ(wait(service_->find_many(ids)).error(), found.error());
}

TEST_F(ProductServiceTest, OurOwnMistakeIsAnError) {
  const Product product = product_of(1, 1);
  const ProductView views[] = {view_of(product)};
  EXPECT_EQ(wait(service_->save_many(views, 1, {})).error().code, ErrorCode::kInternal);
}

TEST_F(ProductServiceTest, DisowningCachesChangesTheSecondLineOfTheIncarnationOnly) {
  const std::string before = *wait(service_->incarnation());
  ASSERT_TRUE(wait(service_->disown_caches()));
  const std::string after = *wait(service_->incarnation());
  EXPECT_NE(before, after);
  EXPECT_EQ(before.substr(0, before.find('\n')), after.substr(0, after.find('\n')));
  EXPECT_TRUE(wait(service_->flush()));
}

TEST_F(ProductServiceTest, EveryWriterHasTheSameNumberForOneWritesAtATime) {
  EXPECT_EQ(wait(service_->writer_number()), 0U);
  EXPECT_EQ(wait(service_->writer_number()), 0U);
}

TEST_F(ProductServiceTest, ASaveToADatabaseOpenedForReadingIsRefused) {
  close();
  Options options;
  options.path = dir_ / "db";
  options.read_only = true;
  database_ = *Database::open(options);
  service_ = std::make_unique<ProductService>(database_);
  EXPECT_EQ(save({product_of(1, 1)}).error().code, ErrorCode::kUnauthorized);
}

// A process that saves is killed at a random point, again and again: everything that it said was
// saved is there.
TEST_F(ProductServiceTest, AKilledProcessLosesNothingAcknowledged) {
  close();
  std::mt19937 random(std::random_device{}());
  constexpr std::size_t kRows = 40'000;
  constexpr int kKills = 8;
  for (int kill = 0; kill < kKills; ++kill) {
    const ProductId first = static_cast<ProductId>(kRows) * kill;
    std::size_t acknowledged = 0;
    {
      // With small buffers, so that tables are written and merged meanwhile.
      Peer peer({"--write-buffer", std::to_string(2 << 20)});
      ASSERT_EQ(peer.ask("open " + (dir_ / "db")), "ok open");
      peer.send("stream " + std::to_string(first) + " " + std::to_string(kRows) + " 250 " +
                std::to_string(kill));
      const std::size_t stop_at = random() % kRows;
      while (acknowledged < stop_at) {
        const std::string answer = peer.receive();
        ASSERT_TRUE(answer.starts_with("ok ")) << answer;
        acknowledged = std::stoul(answer.substr(3));
      }
      peer.kill();
    }
    open();
    expect_all(first, acknowledged, kill);
    close();
  }
}

// A disk that is full, as a limit on the size of files: what was acknowledged before is there
// after.
TEST_F(ProductServiceTest, AFullDiskIsAnErrorAndLosesNothingAcknowledged) {
  close();
  std::size_t acknowledged = 0;
  {
    Peer peer({"--file-limit", std::to_string(3'000'000)});
    ASSERT_EQ(peer.ask("open " + (dir_ / "db")), "ok open");
    peer.send("stream 0 100000 250 1");
    std::string answer;
    while ((answer = peer.receive()).starts_with("ok ")) {
      ASSERT_NE(answer, "ok end");
      acknowledged = std::stoul(answer.substr(3));
    }
    EXPECT_TRUE(answer.starts_with("error unavailable writing to the embedded database")) << answer;
    EXPECT_NE(answer.find("ulimit -f"), std::string::npos) << answer;
    // It does not pretend to have recovered, nor does it hang at the end.
    EXPECT_TRUE(peer.ask("save 0 1 2").starts_with("error"));
    EXPECT_EQ(peer.ask("close"), "ok closed");
  }
  EXPECT_GT(acknowledged, 0u);
  open();
  expect_all(0, acknowledged, 1);
}

}  // namespace
}  // namespace dataflow::rocksdb
