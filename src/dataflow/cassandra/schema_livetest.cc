// Goal: provisioning makes what connecting expects, again and again; what is missing or wrong is
// refused by name.
#include <gmock/gmock.h>

#include "dataflow/cassandra/live_testing.h"

namespace dataflow::cassandra {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class SchemaLive : public LiveTest {
 protected:
  void create_keyspace_only() {
    ASSERT_TRUE(cql("CREATE KEYSPACE " + options_.keyspace +
                    " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"));
  }
};

TEST_F(SchemaLive, ProvisioningTwiceIsTheSameAsOnce) {
  provision_tables();
  provision_tables();
  EXPECT_NE(connect(), nullptr);
}

TEST_F(SchemaLive, AKeyspaceThatExistsKeepsItsReplication) {
  create_keyspace_only();
  provision_tables();
  const auto rows = cql("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '" +
                        options_.keyspace + "'");
  ASSERT_TRUE(rows);
  EXPECT_THAT(std::string(Rows(*rows).next().bytes), HasSubstr("SimpleStrategy"));
}

TEST_F(SchemaLive, AReplicationOfOnesOwnIsTakenAsItIs) {
  const auto result =
      run_on(pool_, provision(options_, "{'class': 'SimpleStrategy', 'replication_factor': 1}"));
  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_NE(connect(), nullptr);
}

TEST_F(SchemaLive, AReplicationThatTheServerDoesNotKnowIsInvalid) {
  const auto result = run_on(pool_, provision(options_, "{'class': 'NoSuchStrategy'}"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("NoSuchStrategy"));
}

TEST_F(SchemaLive, AMissingKeyspaceNamesTheScript) {
  const Error error = connect_failure(options_);
  EXPECT_EQ(error.code, ErrorCode::kInvalid) << error.describe();
  EXPECT_THAT(error.message, AllOf(HasSubstr("no keyspace " + options_.keyspace),
                                   HasSubstr("scripts/provision.sh")));
}

TEST_F(SchemaLive, AMissingTableNamesTheScript) {
  create_keyspace_only();
  const Error error = connect_failure(options_);
  EXPECT_EQ(error.code, ErrorCode::kInvalid) << error.describe();
  EXPECT_THAT(error.message, AllOf(HasSubstr("no table " + options_.keyspace + ".products"),
                                   HasSubstr("scripts/provision.sh")));
}

TEST_F(SchemaLive, AColumnOfAnotherTypeIsNamed) {
  create_keyspace_only();
  ASSERT_TRUE(
      cql("CREATE TABLE KS.products (id bigint PRIMARY KEY, title text, price float, "
          "category text, brand text, url text, description text)"));
  const Error error = connect_failure(options_);
  EXPECT_EQ(error.code, ErrorCode::kInvalid) << error.describe();
  EXPECT_THAT(error.message,
              HasSubstr("price of " + options_.keyspace + ".products is float instead of double"));
  const auto provisioned = run_on(pool_, provision(options_, "1"));
  ASSERT_FALSE(provisioned) << "provisioning does not change a table that is there, and says so";
  EXPECT_EQ(provisioned.error(), error);
}

TEST_F(SchemaLive, AKeyOfMoreThanTheIdIsRefused) {
  create_keyspace_only();
  ASSERT_TRUE(
      cql("CREATE TABLE KS.products (id bigint, title text, price double, category text, "
          "brand text, url text, description text, PRIMARY KEY (id, title))"));
  EXPECT_THAT(connect_failure(options_).message, HasSubstr("not id alone"));
}

TEST_F(SchemaLive, ColumnsThatAreMissingOrTooManyAreNamed) {
  provision_tables();
  ASSERT_TRUE(cql("ALTER TABLE KS.products ADD stock int"));
  EXPECT_THAT(connect_failure(options_).message, HasSubstr("stock"));
  ASSERT_TRUE(cql("ALTER TABLE KS.products DROP stock"));
  ASSERT_TRUE(cql("ALTER TABLE KS.products DROP brand"));
  EXPECT_THAT(connect_failure(options_).message, HasSubstr("no column brand"));
}

TEST_F(SchemaLive, ADatacenterThatIsNotThereIsNamed) {
  provision_tables();
  auto local = cql("SELECT data_center FROM system.local");
  ASSERT_TRUE(local);
  const std::string name(local->next().bytes);
  for (const char* consistency : {"quorum", "local_quorum"}) {
    options_.consistency = consistency;
    options_.datacenter = "";
    EXPECT_NE(connect(), nullptr) << "with one datacenter it need not be named";
    options_.datacenter = name;
    EXPECT_NE(connect(), nullptr);
    options_.datacenter = "atlantis";
    const Error error = connect_failure(options_);
    EXPECT_EQ(error.code, ErrorCode::kInvalid) << error.describe();
    EXPECT_THAT(error.message, AllOf(HasSubstr("atlantis"), HasSubstr(name)));
  }
}

// Rows that expire are not noticed by the cache: who only reads them may, who writes them must not.
TEST_F(SchemaLive, TablesWhoseRowsExpireAreNotWrittenTo) {
  provision_tables();
  const auto writer = [this] {
    return run_on(pool_, ProductService::connect_patiently(options_, {}));
  };
  EXPECT_TRUE(writer());
  for (const std::string table : {"products", "cache_epoch"}) {
    const std::string alter = "ALTER TABLE KS." + table + " WITH default_time_to_live = ";
    ASSERT_TRUE(cql(alter + "3600"));
    const auto refused = writer();
    ASSERT_FALSE(refused) << table;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalid) << refused.error().describe();
    EXPECT_THAT(refused.error().message, HasSubstr("ALTER TABLE " + options_.keyspace + "." +
                                                   table + " WITH default_time_to_live = 0"));
    EXPECT_FALSE(run_on(pool_, provision(options_, "1"))) << "provisioning says so as well";
    EXPECT_NE(connect(), nullptr) << "what is there can be served";
    ASSERT_TRUE(cql(alter + "0"));
    EXPECT_TRUE(writer());
  }
}

TEST_F(SchemaLive, ReadsTheServersThresholds) {
  provision_tables();
  auto settings =
      cql("SELECT value FROM system_views.settings WHERE name = 'batch_size_warn_threshold'");
  ASSERT_TRUE(settings);
  ASSERT_FALSE(settings->done());
  BatchLimits expected;
  apply_setting("batch_size_warn_threshold", settings->next().bytes, expected);
  const auto service = connect();
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(service->batch_limits(), expected);
}

}  // namespace
}  // namespace dataflow::cassandra
