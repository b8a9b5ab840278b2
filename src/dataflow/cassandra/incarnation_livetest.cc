// Goal: the incarnation stays while the table does, and changes with everything that empties it or
// disowns its caches.
#include <gmock/gmock.h>

#include <set>

#include "dataflow/cassandra/live_testing.h"

namespace dataflow::cassandra {
namespace {

class IncarnationLive : public LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    if (HasFatalFailure()) return;
    provision_tables();
    service_ = connect();
    ASSERT_NE(service_, nullptr);
  }

  // By a job with a cache, always the same.
  std::string incarnation() {
    auto result = run_on(pool_, service_->trust_cache("the cache"));
    if (!result) ADD_FAILURE() << result.error().describe();
    return result ? *result : "";
  }

  std::unique_ptr<ProductService> service_;
};

TEST_F(IncarnationLive, StaysWhileRowsComeAndGo) {
  const std::string first = incarnation();
  ASSERT_TRUE(cql("INSERT INTO KS.products (id, title) VALUES (1, 't')"));
  ASSERT_TRUE(cql("DELETE FROM KS.products WHERE id = 1"));
  EXPECT_EQ(incarnation(), first);
  service_ = connect();
  EXPECT_EQ(incarnation(), first);
}

TEST_F(IncarnationLive, EveryTruncationChangesItForGood) {
  std::set<std::string> seen{incarnation()};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(cql("TRUNCATE KS.products"));
    const std::string after = incarnation();
    EXPECT_TRUE(seen.insert(after).second);
    service_ = connect();
    EXPECT_EQ(incarnation(), after);
  }
}

TEST_F(IncarnationLive, ATruncationOfAnotherTableIsNone) {
  const std::string before = incarnation();
  ASSERT_TRUE(cql("TRUNCATE KS.cache_epoch"));
  const std::string after = incarnation();
  EXPECT_EQ(table_of(after), table_of(before));
  EXPECT_NE(after, before) << "which cache was told is not known any more";
}

TEST_F(IncarnationLive, AnotherCacheChangesItAndAskingDoesNot) {
  const std::string before = incarnation();
  EXPECT_EQ(*run_on(pool_, service_->incarnation()), before);
  const auto other = run_on(pool_, service_->trust_cache("it's another"));
  ASSERT_TRUE(other) << other.error().describe();
  EXPECT_NE(*other, before);
  EXPECT_EQ(table_of(*other), table_of(before));
  EXPECT_EQ(*run_on(pool_, service_->incarnation()), *other);
  EXPECT_NE(incarnation(), before);
}

TEST_F(IncarnationLive, ARecreatedTableIsAnother) {
  const std::string before = incarnation();
  ASSERT_TRUE(cql("DROP TABLE KS.products"));
  const auto gone = run_on(pool_, service_->incarnation());
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kInvalid);
  provision_tables();
  EXPECT_NE(incarnation(), before);
}

TEST_F(IncarnationLive, DisowningChangesItAndMakesTheTableWhereItIsMissing) {
  const std::string before = incarnation();
  ASSERT_TRUE(cql("DROP TABLE KS.cache_epoch"));
  EXPECT_TRUE(run_on(pool_, service_->incarnation())) << "to ask needs no record";
  std::set<std::string> seen{before};
  for (int i = 0; i < 3; ++i) {
    const auto disowned = run_on(pool_, service_->disown_caches());
    ASSERT_TRUE(disowned) << disowned.error().describe();
    EXPECT_TRUE(seen.insert(incarnation()).second);
  }
}

TEST_F(IncarnationLive, JobsThatSeeATruncationAtTheSameTimeAgree) {
  constexpr int kJobs = 8;
  ASSERT_TRUE(cql("TRUNCATE KS.products"));
  std::vector<std::future<Result<std::string>>> jobs;
  for (int i = 0; i < kJobs; ++i) {
    jobs.push_back(
        boost::asio::co_spawn(pool_, service_->trust_cache("the cache"), boost::asio::use_future));
  }
  std::set<std::string> seen{incarnation()};
  for (auto& job : jobs) {
    const auto result = job.get();
    ASSERT_TRUE(result) << result.error().describe();
    seen.insert(*result);
  }
  EXPECT_EQ(seen.size(), 1U);
}

}  // namespace
}  // namespace dataflow::cassandra
