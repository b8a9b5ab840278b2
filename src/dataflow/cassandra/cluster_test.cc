// Goal: what a cluster says at the start becomes limits, or a refusal that says what to do.
#include "dataflow/cassandra/cluster.h"

#include <gmock/gmock.h>

#include "dataflow/cassandra/product_service.h"
#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ClusterTest : public testing::Test {
 protected:
  // Every query gets this answer.
  void answer(Result<Rows> rows) {
    connection_.on_query = [rows = std::move(rows)](const std::string&) { return rows; };
  }

  FakeConnection connection_;
};

TEST_F(ClusterTest, ReadsTheThresholds) {
  answer(rows_of(2, {"batch_size_warn_threshold", "8KiB",
                     "unlogged_batch_across_partitions_warn_threshold", "12"}));
  EXPECT_EQ(run(read_batch_limits(connection_)).value(), (BatchLimits{.bytes = 8192, .rows = 12}));
}

TEST_F(ClusterTest, KeepsTheDefaultsWhereTheServerDoesNotTell) {
  answer(rows_of(2, {}));
  EXPECT_EQ(run(read_batch_limits(connection_)).value(), BatchLimits());
  answer(rows_of(2, {"batch_size_warn_threshold", std::nullopt}));
  EXPECT_EQ(run(read_batch_limits(connection_)).value(), BatchLimits());
  for (const ErrorCode code : {ErrorCode::kInvalid, ErrorCode::kUnauthorized}) {
    answer(fail(code, "no such table, or not for you"));
    EXPECT_EQ(run(read_batch_limits(connection_)).value(), BatchLimits());
  }
}

TEST_F(ClusterTest, AnOutageIsNoReasonToGuessThresholds) {
  answer(fail(ErrorCode::kUnavailable, "no answer"));
  EXPECT_EQ(run(read_batch_limits(connection_)).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(run(check_tables(connection_, "shop")).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(run(check_rows_stay(connection_, "shop")).error().code, ErrorCode::kUnavailable);
}

TEST_F(ClusterTest, ALocalConsistencyNeedsToKnowWhatIsLocal) {
  connection_.known_datacenters = {"dc1", "dc2"};
  const auto result = run(check_datacenter(connection_, {.consistency = "local_quorum"}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("dc1, dc2"));
  EXPECT_THAT(result.error().message, HasSubstr("cassandra.datacenter"));
  EXPECT_TRUE(
      run(check_datacenter(connection_, {.consistency = "local_quorum", .datacenter = "dc2"})));
  EXPECT_TRUE(run(check_datacenter(connection_, {.consistency = "quorum"})));
  connection_.known_datacenters = {"dc1"};
  EXPECT_TRUE(run(check_datacenter(connection_, {.consistency = "local_quorum"})));
}

// With quorum and the like nothing else would ever tell that the name is misspelt.
TEST_F(ClusterTest, ADatacenterThatIsNotThereIsRefusedWhateverTheConsistency) {
  connection_.known_datacenters = {"dc1", "dc2"};
  for (const char* consistency : {"quorum", "one", "local_quorum"}) {
    const auto check = [&](const char* name) {
      return run(check_datacenter(connection_, {.consistency = consistency, .datacenter = name}));
    };
    const auto result = check("typo");
    ASSERT_FALSE(result) << consistency;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("\"typo\""), HasSubstr("dc1, dc2")));
    EXPECT_TRUE(check("dc1"));
  }
}

// The client knows fewer nodes where it could not read of all of them.
TEST_F(ClusterTest, ADatacenterThatOnlyTheNodesKnowIsThere) {
  connection_.on_query_each_node = [](const std::string&) {
    return rows_of(2, {"host 1", "dc2", "host 1", "dc1"});
  };
  const Options dc2{.consistency = "quorum", .datacenter = "dc2"};
  for (const std::vector<std::string>& known : {std::vector<std::string>{"dc1"}, {}}) {
    connection_.known_datacenters = known;
    EXPECT_TRUE(run(check_datacenter(connection_, dc2)));
    EXPECT_FALSE(run(check_datacenter(connection_, {.consistency = "local_one"})));
  }
  connection_.on_query_each_node = [](const std::string&) -> Result<Rows> {
    return fail(ErrorCode::kUnavailable, "no answer");
  };
  EXPECT_EQ(run(check_datacenter(connection_, dc2)).error().code, ErrorCode::kUnavailable);
  connection_.on_query_each_node = {};
  EXPECT_TRUE(run(check_datacenter(connection_, dc2))) << "what is not known is not refused";
}

TEST_F(ClusterTest, TablesWhoseRowsExpireAreNamed) {
  answer(rows_of(2, {"cache_epoch", big_endian(0, 4), "products", big_endian(0, 4)}));
  EXPECT_TRUE(run(check_rows_stay(connection_, "shop")));
  for (const int seconds : {1, 256, 86'400, 1 << 24}) {
    answer(rows_of(2, {"cache_epoch", big_endian(0, 4), "products", big_endian(seconds, 4)}));
    const auto result = run(check_rows_stay(connection_, "shop"));
    ASSERT_FALSE(result) << seconds;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(result.error().message,
                HasSubstr("ALTER TABLE shop.products WITH default_time_to_live = 0"));
  }
}

// What a cluster says whose tables are as they should be.
Result<Rows> expected_tables(const std::string& cql) {
  if (cql.find("system_schema.columns") == std::string::npos) return rows_of(0, {});
  std::vector<std::optional<std::string>> cells;
  for (const char* name : {"title", "category", "brand", "url", "description"}) {
    cells.insert(cells.end(), {name, "text", "regular"});
  }
  cells.insert(cells.end(), {"price", "double", "regular", "id", "bigint", "partition_key"});
  return rows_of(3, cells);
}

// A service whose cluster tests make say what they want, and that asks it again at once.
class PatientServiceTest : public ClusterTest {
 protected:
  void SetUp() override {
    connection_.on_query = expected_tables;
    auto fake = std::make_unique<FakeConnection>(connection_);
    cluster_ = fake.get();
    const Options options{.retry_timeout_ms = 60'000, .retry_wait_ms = 1, .retry_wait_max_ms = 1};
    auto service = run(ProductService::connect(options, std::move(fake)));
    ASSERT_TRUE(service) << service.error().describe();
    service_ = std::move(*service);
  }

  std::unique_ptr<ProductService> service_;
  FakeConnection* cluster_ = nullptr;  // the service's
};

// A cache that failed during a run must not end it because the cluster is busy.
TEST_F(PatientServiceTest, CachesAreDisownedPatiently) {
  int asked = 0;
  cluster_->on_query = [&asked](const std::string&) -> Result<Rows> {
    return fail(++asked < 3 ? ErrorCode::kUnavailable : ErrorCode::kUnauthorized, "");
  };
  EXPECT_EQ(run(service_->disown_caches()).error().code, ErrorCode::kUnauthorized);
  EXPECT_EQ(asked, 3);
}

TEST_F(PatientServiceTest, AWritersNumberIsAskedForPatiently) {
  int asked = 0;
  cluster_->on_query = [&asked](const std::string& cql) -> Result<Rows> {
    if (++asked < 3) return fail(ErrorCode::kUnavailable, "");
    return cql.starts_with("SELECT") ? rows_of(1, {"7"}) : rows_of(1, {std::string(1, '\1')});
  };
  EXPECT_EQ(run(service_->writer_number()), 8U);
  EXPECT_EQ(asked, 4);
}

TEST_F(ClusterTest, FindManyKeepsTheOrderAcrossItsPortions) {
  connection_.on_query = expected_tables;
  std::vector<std::size_t> portions;
  auto fake = std::make_unique<FakeConnection>(connection_);
  fake->on_select = [&portions](std::span<const ProductId> ids) -> Result<Rows> {
    portions.push_back(ids.size());
    std::vector<std::optional<std::string>> cells;
    for (const ProductId id : ids) {
      cells.emplace_back(std::to_string(id));
      cells.resize(cells.size() + 5);
    }
    return rows_of(6, cells);
  };
  auto service = run(ProductService::connect(Options{}, std::move(fake)));
  ASSERT_TRUE(service) << service.error().describe();
  std::vector<ProductId> ids;
  for (ProductId id = 0; id < 300; ++id) ids.push_back(id);
  const auto products = run((*service)->find_many(ids));
  ASSERT_TRUE(products);
  ASSERT_EQ(products->size(), 300U);
  for (ProductId id = 0; id < 300; ++id) {
    EXPECT_EQ((*products)[static_cast<std::size_t>(id)]->title, std::to_string(id));
  }
  EXPECT_EQ(portions, (std::vector<std::size_t>{128, 128, 44}));
}

}  // namespace
}  // namespace dataflow::cassandra
