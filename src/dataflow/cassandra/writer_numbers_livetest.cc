// Goal: of all who ask a real cluster for a number at the same time no two get the same one, and
// what is kept of caches is not touched by it.
#include <gmock/gmock.h>

#include <future>
#include <set>

#include "dataflow/cassandra/live_testing.h"

namespace dataflow::cassandra {
namespace {

class WriterNumbersLive : public LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    if (HasFatalFailure()) return;
    provision_tables();
    // Numbers are asked for here by more at once than there are jobs that begin.
    options_.retry_timeout_ms = 600'000;
    service_ = connect();
    ASSERT_NE(service_, nullptr);
  }

  static Task<Result<std::vector<std::uint64_t>>> ask(ProductService& service, int times) {
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < times; ++i) {
      auto number = co_await service.writer_number();
      if (!number) co_return std::unexpected(std::move(number.error()));
      numbers.push_back(*number);
    }
    co_return numbers;
  }

  std::future<Result<std::vector<std::uint64_t>>> start(ProductService& service, int times) {
    return boost::asio::co_spawn(pool_, ask(service, times), boost::asio::use_future);
  }

  std::uint64_t number() {
    const auto number = run_on(pool_, service_->writer_number());
    if (!number) ADD_FAILURE() << number.error().describe();
    return number.value_or(0);
  }

  std::unique_ptr<ProductService> service_;
};

TEST_F(WriterNumbersLive, TwoServicesOnSeveralThreadsNeverGetTheSame) {
  constexpr int kEach = 750;
  const auto other = connect();
  ASSERT_NE(other, nullptr);
  std::vector<std::future<Result<std::vector<std::uint64_t>>>> tasks;
  for (auto* const service : {service_.get(), other.get()}) {
    for (int i = 0; i < 2; ++i) tasks.push_back(start(*service, kEach));
  }
  std::set<std::uint64_t> all;
  std::size_t given = 0;
  for (auto& task : tasks) {
    const auto numbers = task.get();
    ASSERT_TRUE(numbers) << numbers.error().describe();
    given += numbers->size();
    all.insert(numbers->begin(), numbers->end());
  }
  EXPECT_EQ(given, 4U * kEach);
  EXPECT_EQ(all.size(), given);
}

TEST_F(WriterNumbersLive, ACountAndTheEpochsDoNotDisturbEachOther) {
  const auto first = run_on(pool_, service_->trust_cache("the cache"));
  ASSERT_TRUE(first) << first.error().describe();
  const std::uint64_t number_before = number();
  EXPECT_EQ(*run_on(pool_, service_->trust_cache("the cache")), *first);
  EXPECT_EQ(*run_on(pool_, service_->incarnation()), *first);
  ASSERT_TRUE(run_on(pool_, service_->disown_caches()));
  EXPECT_GT(number(), number_before);  // a number whose answer was lost is nobody's

  auto numbers = start(*service_, 50);
  std::set<std::string> seen{*first};
  for (int i = 0; i < 20; ++i) {
    const auto next = i % 2 == 0 ? run_on(pool_, service_->trust_cache("the cache"))
                                 : run_on(pool_, service_->disown_caches());
    ASSERT_TRUE(next) << next.error().describe();
    EXPECT_TRUE(seen.insert(*next).second);
    EXPECT_EQ(table_of(*next), table_of(*first));
  }
  const auto given = numbers.get();
  ASSERT_TRUE(given) << given.error().describe();
  EXPECT_GE(given->back(), number_before + 51);
}

TEST_F(WriterNumbersLive, OutlivesTheTableOfProductsAndMakesThatOfEpochs) {
  const std::uint64_t before = number();
  ASSERT_TRUE(cql("DROP TABLE KS.products"));
  provision_tables();
  EXPECT_GT(number(), before);
  ASSERT_TRUE(cql("DROP TABLE KS.cache_epoch"));
  const std::uint64_t anew = number();
  EXPECT_GT(number(), anew);
  EXPECT_TRUE(run_on(pool_, service_->trust_cache("the cache")));
}

// As an earlier version has left it: with epochs, and without a count.
TEST_F(WriterNumbersLive, BeginsInATableOfAnEarlierVersion) {
  ASSERT_TRUE(run_on(pool_, service_->trust_cache("the cache")));
  const std::uint64_t first = number();
  EXPECT_LT(first, ProductService::kWritersApart);
  EXPECT_GT(number(), first);
  auto rows = cql("SELECT name FROM KS.cache_epoch");
  ASSERT_TRUE(rows);
  int count = 0;
  for (; !rows->done(); rows->next()) ++count;
  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace dataflow::cassandra
