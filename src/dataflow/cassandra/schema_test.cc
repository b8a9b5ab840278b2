// Goal: tables of another shape are refused with the reason; statements and replications are as CQL
// wants.
#include "dataflow/cassandra/schema.h"

#include <gmock/gmock.h>

namespace dataflow::cassandra {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<Column> good_columns() {
  return {{"id", "bigint", true}, {"title", "text"}, {"price", "double"},    {"category", "text"},
          {"brand", "text"},      {"url", "text"},   {"description", "text"}};
}

std::string refusal(const std::vector<Column>& columns) {
  const auto result = check_columns("shop", columns);
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("scripts/provision.sh"));
  return result.error().message;
}

TEST(CheckColumns, TheOrderDoesNotMatter) {
  auto columns = good_columns();
  EXPECT_EQ(refusal(columns), "");
  std::swap(columns.front(), columns.back());
  EXPECT_EQ(refusal(columns), "");
}

TEST(CheckColumns, SaysWhichTypeIsWrong) {
  auto columns = good_columns();
  columns[2].type = "float";
  EXPECT_THAT(refusal(columns),
              HasSubstr("the column price of shop.products is float instead of double"));
}

TEST(CheckColumns, SaysWhatIsMissingOrTooMany) {
  auto columns = good_columns();
  columns.pop_back();
  EXPECT_THAT(refusal(columns), HasSubstr("has no column description"));
  columns = good_columns();
  columns.push_back({"stock", "int"});
  EXPECT_THAT(refusal(columns), HasSubstr("a column stock too many"));
}

TEST(CheckColumns, TheKeyIsTheIdAlone) {
  auto columns = good_columns();
  columns[1].key = true;
  EXPECT_THAT(refusal(columns), HasSubstr("not id alone"));
  columns = good_columns();
  columns[0].key = false;
  EXPECT_THAT(refusal(columns), HasSubstr("not id alone"));
}

TEST(Replication, ANumberIsForEveryDatacenter) {
  EXPECT_EQ(replication_clause(" 3 ").value(),
            "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}");
}

TEST(Replication, AMapStaysAsItIs) {
  EXPECT_EQ(replication_clause("{'class': 'SimpleStrategy', 'replication_factor': 1}").value(),
            "{'class': 'SimpleStrategy', 'replication_factor': 1}");
}

TEST(Replication, AnythingElseIsRefused) {
  for (const char* text :
       {"", "0", "-1", "101", "3 replicas", "{", "{}", "{'a': '\xff'}", "dc1:3"}) {
    const auto result = replication_clause(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(result.error().message, HasSubstr("NetworkTopologyStrategy"));
  }
}

TEST(Statements, NameKeyspaceAndColumns) {
  EXPECT_EQ(create_products("shop"),
            "CREATE TABLE IF NOT EXISTS shop.products (id bigint PRIMARY KEY, title text, price "
            "double, category text, brand text, url text, description text)");
  EXPECT_EQ(insert_product("shop"),
            "INSERT INTO shop.products (id, title, price, category, brand, url, description) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)");
  EXPECT_EQ(select_product("shop"),
            "SELECT title, price, category, brand, url, description FROM shop.products WHERE id = "
            "?");
  EXPECT_THAT(create_keyspace("shop", "{}"),
              AllOf(HasSubstr("IF NOT EXISTS shop"), HasSubstr("{}")));
}

}  // namespace
}  // namespace dataflow::cassandra
