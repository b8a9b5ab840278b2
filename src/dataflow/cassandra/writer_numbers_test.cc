// Goal: each writer gets the next number, whoever else asks, and an error that says what to do
// where there is none.
#include "dataflow/cassandra/writer_numbers.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "dataflow/cassandra/testing.h"
#include "dataflow/product_service.h"

namespace dataflow::cassandra {
namespace {

using testing::HasSubstr;

constexpr auto kApart = ProductService::kWritersApart;

// A table of epochs that is read and changed as the real one.
class WriterNumbersTest : public testing::Test {
 protected:
  WriterNumbersTest() {
    connection_.on_query = [this](const std::string& cql) { return answer(cql); };
  }

  // What stands in quotes, or null, behind `before`.
  static std::optional<std::string> value(const std::string& cql, std::string_view before) {
    auto i = cql.find(before);
    if (i == std::string::npos || cql[i += before.size()] != '\'') return std::nullopt;
    std::string text;
    for (++i; i < cql.size(); ++i) {
      if (cql[i] == '\'' && cql[++i] != '\'') break;
      text += cql[i];
    }
    return text;
  }

  Result<Rows> answer(const std::string& cql) {
    ++statements_;
    if (!may_) return fail(ErrorCode::kUnauthorized, "not allowed");
    if (cql.starts_with("CREATE TABLE IF NOT EXISTS shop.cache_epoch")) {
      if (may_create_) table_ = true;
      return may_create_ ? Result<Rows>(rows_of(0, {}))
                         : fail(ErrorCode::kUnauthorized, "no CREATE");
    }
    if (cql.find("shop.cache_epoch") == std::string::npos) return fail(ErrorCode::kInternal, cql);
    if (!table_) return fail(ErrorCode::kInvalid, "table cache_epoch does not exist");
    const std::string name = value(cql, "name = ").value_or("no name");
    if (cql.starts_with("SELECT epoch")) {
      if (stale_) return rows_of(1, {stale_});
      return rows_.contains(name) ? rows_of(1, {rows_[name]}) : rows_of(1, {});
    }
    return replace(name, cql);
  }

  // A lightweight transaction; `rivals_` of them come behind somebody else's.
  Result<Rows> replace(const std::string& name, const std::string& cql) {
    ++transactions_;
    const auto expected = value(cql, "IF epoch = ");
    if (rivals_ > 0) {
      --rivals_;
      rows_[name] = std::to_string(std::stoull(rows_[name].value_or("100")) + 1);
    }
    const bool there = rows_.contains(name);
    if (there ? rows_[name] != expected : expected.has_value()) {
      const std::string no(1, '\0');
      return there ? rows_of(2, {no, rows_[name]}) : rows_of(1, {no});
    }
    rows_[name] = value(cql, "SET epoch = ");
    if (answer_is_lost_) return fail(ErrorCode::kUnavailable, "a timeout");
    return rows_of(1, {std::string(1, '\1')});
  }

  Result<std::uint64_t> next() { return run(numbers_.next()); }
  std::uint64_t number() {
    const auto number = next();
    if (!number) ADD_FAILURE() << number.error().describe();
    return number.value_or(0);
  }
  static Options of(std::string consistency, std::string datacenter) {
    Options options;
    options.keyspace = "shop";
    options.consistency = std::move(consistency);
    options.datacenter = std::move(datacenter);
    return options;
  }

  bool table_ = true;
  bool may_ = true;
  bool may_create_ = true;
  bool answer_is_lost_ = false;
  int rivals_ = 0;
  int transactions_ = 0;
  int statements_ = 0;
  std::optional<std::string> stale_;  // what a replica that missed something says
  std::map<std::string, std::optional<std::string>> rows_;
  FakeConnection connection_;
  WriterNumbers numbers_{connection_, of("quorum", "")};
};

TEST_F(WriterNumbersTest, CountsByOneReadAndOneTransactionEach) {
  const std::uint64_t first = number();
  for (std::uint64_t i = 1; i <= 2 * kApart; ++i) ASSERT_EQ(number(), first + i);
  EXPECT_EQ(transactions_, static_cast<int>(2 * kApart + 1));
  EXPECT_EQ(statements_, 2 * transactions_);
}

TEST_F(WriterNumbersTest, WhoIsToDoWithoutAMajorityDoesNotAskForOne) {
  for (const auto* const consistency : {"one", "two", "three", "local_one"}) {
    WriterNumbers numbers(connection_, of(consistency, ""));
    std::set<std::uint64_t> drawn;
    for (int i = 0; i < 20; ++i) drawn.insert(run(numbers.next()).value());
    EXPECT_GT(drawn.size(), 1u);
  }
  EXPECT_EQ(statements_, 0);
}

TEST_F(WriterNumbersTest, BeginsAtRandomForJobsOfBeforeTheTableWasEmptiedMayBeWriting) {
  std::set<std::uint64_t> first;
  for (int i = 0; i < 20; ++i) {
    rows_.clear();
    first.insert(number());
    EXPECT_LT(*first.rbegin(), kApart);
  }
  EXPECT_GT(first.size(), 1U);
}

TEST_F(WriterNumbersTest, IsKeptBesideTheEpochsUnderANameThatNoneHas) {
  const std::string epoch = "products:" + std::string(32, '0');
  rows_[epoch] = "an epoch";
  number();
  EXPECT_EQ(rows_.size(), 2U);
  EXPECT_EQ(rows_[epoch], "an epoch");
  EXPECT_TRUE(rows_.contains("writers:products"));
}

TEST_F(WriterNumbersTest, MakesTheTableWhereItIsMissing) {
  table_ = false;
  const std::uint64_t first = number();
  EXPECT_TRUE(table_);
  EXPECT_EQ(number(), first + 1);
}

TEST_F(WriterNumbersTest, WhoeverWasFasterHasAnotherNumber) {
  rivals_ = WriterNumbers::kMaxRounds - 1;
  rows_["writers:products"] = "5";
  EXPECT_EQ(number(), 5U + WriterNumbers::kMaxRounds);
  EXPECT_EQ(statements_, 1 + WriterNumbers::kMaxRounds)
      << "what a transaction says is not read again";
}

TEST_F(WriterNumbersTest, SomebodyElsesFirstNumberIsNotTakenForOurs) {
  rivals_ = 1;
  EXPECT_EQ(number(), 102U);
}

TEST_F(WriterNumbersTest, GivesUpAgainstRivalsWithoutEnd) {
  rivals_ = 1'000;
  const auto result = next();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(transactions_, WriterNumbers::kMaxRounds);
}

TEST_F(WriterNumbersTest, AReplicaThatMissedWritersCostsARoundAndNoNumber) {
  rows_["writers:products"] = "9";
  for (const char* missed : {"4", "not a number"}) {
    stale_ = missed;
    transactions_ = 0;
    const std::uint64_t before = std::stoull(*rows_["writers:products"]);
    EXPECT_EQ(number(), before + 1);
    EXPECT_EQ(transactions_, 2);
  }
}

TEST_F(WriterNumbersTest, ATableThatIsEmptiedBetweenReadAndTransactionBeginsAnew) {
  stale_ = "5000";
  EXPECT_LT(number(), kApart);
  stale_.reset();
  EXPECT_LE(number(), kApart);
}

TEST_F(WriterNumbersTest, ANumberWhoseAnswerWasLostIsNobodys) {
  rows_["writers:products"] = "5";
  answer_is_lost_ = true;
  EXPECT_EQ(next().error().code, ErrorCode::kUnavailable);
  answer_is_lost_ = false;
  EXPECT_EQ(number(), 7U);
}

TEST_F(WriterNumbersTest, WhatIsNoNumberGivesWayToOne) {
  for (const std::optional<std::string>& other :
       {std::optional<std::string>("it's not one of ours"), std::optional<std::string>(""),
        std::optional<std::string>("12x"), std::optional<std::string>("99999999999999999999"),
        std::optional<std::string>()}) {
    rows_["writers:products"] = other;
    const std::uint64_t first = number();
    EXPECT_LT(first, kApart) << other.value_or("null");
    EXPECT_EQ(number(), first + 1);
  }
  rows_["writers:products"] = std::to_string(~std::uint64_t{0});
  EXPECT_EQ(number(), 0U);
}

// Transactions of a local consistency in two datacenters do not see each other: with one count they
// would give the same number to two jobs that begin at the same time.
TEST_F(WriterNumbersTest, EachDatacenterCountsForItselfWhereTransactionsAreLocal) {
  WriterNumbers east(connection_, of("local_quorum", "east"));
  WriterNumbers west(connection_, of("local_quorum", "w'est"));
  WriterNumbers everywhere(connection_, of("quorum", "east"));
  WriterNumbers the_only(connection_, of("local_quorum", ""));
  for (auto* const numbers : {&east, &west, &everywhere, &the_only}) {
    ASSERT_TRUE(run(numbers->next()));
  }
  EXPECT_THAT(rows_, testing::UnorderedElementsAre(testing::Key("writers:products:east"),
                                                   testing::Key("writers:products:w'est"),
                                                   testing::Key("writers:products")));
}

TEST_F(WriterNumbersTest, WhoMayNotIsToldWhatToGrant) {
  may_ = false;
  EXPECT_EQ(next().error().code, ErrorCode::kUnauthorized);
  EXPECT_THAT(next().error().message, HasSubstr("grant SELECT and MODIFY on shop.cache_epoch"));
  may_ = true;
  may_create_ = table_ = false;
  EXPECT_EQ(next().error().code, ErrorCode::kUnauthorized) << "creating the table";
  EXPECT_THAT(next().error().message, HasSubstr("scripts/provision.sh"));
}

}  // namespace
}  // namespace dataflow::cassandra
