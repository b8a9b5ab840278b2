// Goal: what the store says becomes one incarnation that all jobs agree on, or an error that says
// what to do.
#include "dataflow/cassandra/incarnations.h"

#include <gmock/gmock.h>

#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using testing::HasSubstr;
using testing::Not;

// A cluster of some nodes that keeps epochs as the real one does.
class IncarnationsTest : public testing::Test {
 protected:
  IncarnationsTest() {
    connection_.on_query = [this](const std::string& cql) { return answer(cql); };
    connection_.on_query_each_node = [this](const std::string& cql) { return answer_each(cql); };
  }

  Result<Rows> answer(const std::string& cql) {
    if (cql.starts_with("SELECT table_name, id FROM system_schema.tables")) return tables();
    if (cql.starts_with("SELECT table_name FROM system_schema.tables")) {
      return scylla_ ? rows_of(1, {"truncated"}) : rows_of(1, {});
    }
    if (cql.starts_with("SELECT epoch")) {
      if (!may_) return fail(ErrorCode::kUnauthorized, "no SELECT permission");
      return epoch_ ? rows_of(1, {epoch_}) : rows_of(1, {});
    }
    if (!may_) return fail(ErrorCode::kUnauthorized, "not allowed");
    if (cql.starts_with("CREATE TABLE IF NOT EXISTS shop.cache_epoch")) {
      epoch_table_ = true;
      return rows_of(0, {});
    }
    return write(cql);
  }

  Result<Rows> tables() const {
    if (!products_table_) return rows_of(2, {});
    if (!epoch_table_) return rows_of(2, {"products", table_id_});
    return rows_of(2, {"cache_epoch", std::string(16, '\7'), "products", table_id_});
  }

  // A lightweight transaction; `rivals_` of them lose against somebody else.
  Result<Rows> write(const std::string& cql) {
    ++writes_;
    // The text in quotes after `before`, which ends with the opening one.
    const auto value = [&cql](std::string_view before) {
      std::string text;
      for (auto i = cql.find(before) + before.size(); i < cql.size(); ++i) {
        if (cql[i] == '\'' && cql[++i] != '\'') break;
        text += cql[i];
      }
      return text;
    };
    const bool insert = cql.starts_with("INSERT");
    const std::string next = insert ? value("01', '") : value("SET epoch = '");
    const auto expected = insert ? std::nullopt : std::optional(value("IF epoch = '"));
    if (rivals_ > 0) {
      --rivals_;
      epoch_ = "rival" + std::to_string(rivals_) + " " + next.substr(next.find(' ') + 1);
    }
    if (epoch_ != expected) return rows_of(2, {std::string(1, '\0'), epoch_});
    epoch_ = next;
    return rows_of(1, {std::string(1, '\1')});
  }

  Result<Rows> answer_each(const std::string& cql) {
    std::vector<std::optional<std::string>> cells;
    for (const auto& [host, time] : nodes_) {
      cells.emplace_back(std::string(16, host));
      if (cql.find("system.truncated") != std::string::npos) {
        cells.emplace_back(big_endian(static_cast<std::uint64_t>(time), 8));
        continue;
      }
      cells.emplace_back("lab");
      if (time == kNeverTruncated || scylla_) {
        cells.emplace_back();
      } else {
        cells.emplace_back(big_endian(1, 4) + big_endian(16, 4) + table_id_ + big_endian(20, 4) +
                           std::string(12, '\0') + big_endian(static_cast<std::uint64_t>(time), 8));
      }
      const auto clock = std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count() +
                         skew_ms_[host];
      cells.emplace_back(big_endian(static_cast<std::uint64_t>(clock), 8));
    }
    if (cells.empty()) return fail(ErrorCode::kUnavailable, "no node answers");
    return rows_of(4, cells);
  }

  // By a job with a cache, always the same.
  std::string settled() {
    auto result = run(incarnations_.trust("the cache"));
    if (!result) ADD_FAILURE() << result.error().describe();
    return result ? *result : "";
  }
  std::string current() {
    auto result = run(incarnations_.current());
    if (!result) ADD_FAILURE() << result.error().describe();
    return result ? *result : "";
  }

  Error failure() {
    auto result = run(incarnations_.current());
    return result ? Error{} : result.error();
  }

  bool products_table_ = true;
  bool epoch_table_ = true;
  bool scylla_ = false;
  bool may_ = true;
  int rivals_ = 0;
  int writes_ = 0;
  std::string table_id_ = std::string(16, '\1');
  std::optional<std::string> epoch_;
  std::map<char, std::int64_t> skew_ms_;  // of the nodes' clocks; 0 where there is none
  std::map<char, TruncationTime> nodes_{{'a', 0}, {'b', 0}, {'c', 0}};
  FakeConnection connection_;
  Incarnations incarnations_{connection_, "shop"};
};

TEST_F(IncarnationsTest, IsOfClusterKeyspaceAndTableAndNeedsNoWriteAtFirst) {
  epoch_table_ = false;
  may_ = false;
  const std::string first = current();
  EXPECT_THAT(first, HasSubstr("cluster lab"));
  EXPECT_THAT(first, HasSubstr("keyspace shop"));
  EXPECT_EQ(current(), first);
  table_id_ = std::string(16, '\2');
  EXPECT_NE(current(), first);
}

TEST_F(IncarnationsTest, ATruncationChangesItForGood) {
  const std::string before = settled();
  nodes_ = {{'a', 100}, {'b', 101}, {'c', 99}};
  const std::string after = settled();
  EXPECT_NE(after, before);
  EXPECT_EQ(settled(), after);
  EXPECT_EQ(writes_, 2) << "the cache, and the truncation";
}

TEST_F(IncarnationsTest, ToAskChangesNothing) {
  epoch_table_ = false;
  const std::string before = current();
  nodes_['a'] = 100;
  const std::string after = current();
  EXPECT_NE(table_of(after), table_of(before));
  EXPECT_EQ(current(), after) << "also where nobody notes it";
  EXPECT_FALSE(epoch_table_);
  EXPECT_EQ(writes_, 0);
}

// A run without a cache, or one that may note nothing, asks at its beginning and at its end.
TEST_F(IncarnationsTest, ATruncationThatIsNotedDuringARunIsNoSecondOne) {
  nodes_['a'] = 100;
  const std::string before = current();
  const auto noted = run(incarnations_.renew());
  ASSERT_TRUE(noted);
  EXPECT_EQ(table_of(*noted), table_of(before));
  EXPECT_EQ(table_of(settled()), table_of(before));
}

TEST_F(IncarnationsTest, AnotherCacheChangesItAndTheSameOneDoesNot) {
  const std::string first = settled();
  EXPECT_EQ(settled(), first);
  EXPECT_EQ(current(), first);
  const auto other = run(incarnations_.trust("another cache"));
  ASSERT_TRUE(other);
  EXPECT_NE(*other, first);
  EXPECT_EQ(table_of(*other), table_of(first));
  EXPECT_EQ(current(), *other);
  EXPECT_NE(settled(), *other) << "it was not told of what was written meanwhile";
  EXPECT_NE(settled(), first);
}

TEST_F(IncarnationsTest, AClockThatNoNodeSharesIsAnErrorBeforeAnythingIsWritten) {
  const auto refused = [this] {
    const auto result = run(incarnations_.trust("the cache"));
    return result ? Error{} : result.error();
  };
  skew_ms_ = {{'a', 3'600'000}, {'b', -3'600'000}, {'c', 0}};
  settled();
  skew_ms_['c'] = -61'500;
  EXPECT_EQ(refused().code, ErrorCode::kInvalid);
  EXPECT_THAT(refused().message, HasSubstr("ahead of"));
  EXPECT_THAT(refused().message, HasSubstr("61 s"));
  EXPECT_FALSE(run(incarnations_.renew()));
  current();  // a dry run only asks
  skew_ms_['c'] = 70'000;
  EXPECT_THAT(refused().message, HasSubstr("behind"));
  skew_ms_['c'] = 50'000;
  settled();
}

TEST_F(IncarnationsTest, NodesThatGoAndComeChangeNothing) {
  nodes_ = {{'a', 100}, {'b', 101}, {'c', 99}};
  const std::string after = settled();
  for (const char down : {'a', 'b', 'c'}) {
    auto all = nodes_;
    nodes_.erase(down);
    EXPECT_EQ(settled(), after) << down;
    nodes_ = all;
  }
  EXPECT_EQ(settled(), after);
}

TEST_F(IncarnationsTest, MakesTheTableWhenItIsFirstNeeded) {
  epoch_table_ = false;
  nodes_['a'] = 100;
  const std::string after = settled();
  EXPECT_TRUE(epoch_table_);
  EXPECT_EQ(settled(), after);
}

TEST_F(IncarnationsTest, RenewingChangesItEachTime) {
  epoch_table_ = false;
  const std::string before = current();
  ASSERT_TRUE(run(incarnations_.renew()));
  const std::string once = current();
  ASSERT_TRUE(run(incarnations_.renew()));
  const std::string twice = current();
  EXPECT_NE(once, before);
  EXPECT_NE(twice, once);
  EXPECT_NE(twice, before);
}

TEST_F(IncarnationsTest, ATruncationIsToldFromARenewal) {
  const std::string before = settled();
  ASSERT_TRUE(run(incarnations_.renew()));
  const std::string renewed = settled();
  EXPECT_NE(renewed, before);
  EXPECT_EQ(table_of(renewed), table_of(before));
  nodes_['a'] = 100;
  const std::string truncated = settled();
  EXPECT_NE(table_of(truncated), table_of(renewed));
  ASSERT_TRUE(run(incarnations_.renew()));
  EXPECT_EQ(table_of(settled()), table_of(truncated));
}

// By the first line a cache knows which of its generations belong to one table and are over.
TEST_F(IncarnationsTest, OfOneTableAllHaveTheFirstLineInCommonAndNoOtherTable) {
  const auto first_line = [](const std::string& text) { return text.substr(0, text.find('\n')); };
  const std::string before = current();
  table_id_ = std::string(16, '\2');
  nodes_['a'] = 100;
  EXPECT_EQ(first_line(current()), first_line(before));
  Incarnations other(connection_, "other");
  epoch_table_ = false;
  nodes_['a'] = 0;
  const auto elsewhere = run(other.current());
  ASSERT_TRUE(elsewhere) << elsewhere.error().describe();
  EXPECT_NE(first_line(*elsewhere), first_line(before));
}

TEST_F(IncarnationsTest, AgreesWithWhoeverWasFaster) {
  nodes_['a'] = 100;
  rivals_ = 1;
  const std::string mine = settled();
  EXPECT_THAT(mine, HasSubstr("rival0"));
  EXPECT_EQ(settled(), mine);
}

TEST_F(IncarnationsTest, GivesUpAgainstRivalsWithoutEnd) {
  rivals_ = 1'000;
  auto result = run(incarnations_.renew());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(writes_, Incarnations::kMaxRounds);
}

TEST_F(IncarnationsTest, AnEpochOfAnotherHandIsReplacedNotTrusted) {
  epoch_ = "it's not one of ours";
  const std::string after = settled();
  EXPECT_THAT(after, Not(HasSubstr("ours")));
  EXPECT_EQ(settled(), after);
}

TEST_F(IncarnationsTest, ScyllaKeepsItsTimesElsewhere) {
  scylla_ = true;
  const std::string before = settled();
  nodes_['b'] = 100;
  const std::string after = settled();
  EXPECT_NE(after, before);
  EXPECT_EQ(settled(), after);
}

TEST_F(IncarnationsTest, AMissingTableNamesTheScript) {
  products_table_ = false;
  EXPECT_EQ(failure().code, ErrorCode::kInvalid);
  EXPECT_THAT(failure().message, HasSubstr("scripts/provision.sh"));
}

TEST_F(IncarnationsTest, WhoMayNotKeepTheEpochIsToldWhatToGrant) {
  may_ = false;
  EXPECT_EQ(failure().code, ErrorCode::kUnauthorized) << "reading it";
  EXPECT_THAT(failure().message, HasSubstr("grant SELECT and MODIFY on shop.cache_epoch"));
  epoch_table_ = false;
  nodes_['a'] = 100;
  const auto result = run(incarnations_.trust("the cache"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUnauthorized) << "creating the table";
  EXPECT_THAT(result.error().message, HasSubstr("scripts/provision.sh"));
}

TEST_F(IncarnationsTest, NoNodeAtAllIsUnavailable) {
  nodes_.clear();
  EXPECT_EQ(failure().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace dataflow::cassandra
