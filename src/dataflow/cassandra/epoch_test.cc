// Goal: a truncation always changes the epoch; a node that is down, comes back or joins never
// changes it back.
#include "dataflow/cassandra/epoch.h"

#include <gmock/gmock.h>

#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

const Epoch kKnown{.token = "t1", .trusted = "c1", .nodes = {{"a", 100}, {"b", 101}, {"c", 102}}};

TEST(EpochText, ComesBackAsItWas) {
  EXPECT_EQ(to_text(kKnown), "t1 cache=c1 a=100 b=101 c=102");
  EXPECT_EQ(parse_epoch(to_text(kKnown)), kKnown);
  const Epoch bare{.token = "t", .trusted = {}, .nodes = {}};
  EXPECT_EQ(parse_epoch(to_text(bare)), bare);
}

TEST(EpochText, WhatIsNotOursIsATokenWithoutNodes) {
  for (const char* text : {"", "it's 5 o'clock", "t a=1 b", "t a=1 b=x", "t a=1x"}) {
    EXPECT_EQ(parse_epoch(text), (Epoch{.token = text, .trusted = {}, .nodes = {}})) << text;
  }
}

TEST(Advance, ATableThatWasNeverTruncatedNeedsNoRecord) {
  EXPECT_EQ(advance(std::nullopt, {{"a", kNeverTruncated}, {"b", kNeverTruncated}}, "new"),
            std::nullopt);
}

TEST(Advance, TheFirstTruncationIsRecordedOfAllWhoAnswer) {
  EXPECT_EQ(advance(std::nullopt, {{"a", 100}, {"b", kNeverTruncated}}, "new"),
            (Epoch{.token = "new", .trusted = {}, .nodes = {{"a", 100}, {"b", kNeverTruncated}}}));
}

TEST(Advance, NothingChangesWhileTheNodesSayTheSame) {
  EXPECT_EQ(advance(kKnown, kKnown.nodes, "new"), kKnown);
}

TEST(Advance, ANodeThatIsDownChangesNothing) {
  EXPECT_EQ(advance(kKnown, {{"a", 100}, {"b", 101}}, "new"), kKnown);
  EXPECT_EQ(advance(kKnown, {{"b", 101}}, "new"), kKnown);
}

TEST(Advance, AnyOtherTimeIsATruncation) {
  const Truncations again{{"a", 200}, {"b", 201}, {"c", 202}};
  EXPECT_EQ(advance(kKnown, again, "new"),
            (Epoch{.token = "new", .trusted = "c1", .nodes = again}));
  // Also a clock that went back, a record that went away, and one node of three.
  EXPECT_EQ(advance(kKnown, {{"a", 50}}, "new")->token, "new");
  EXPECT_EQ(advance(kKnown, {{"a", kNeverTruncated}}, "new")->token, "new");
  EXPECT_EQ(advance(kKnown, {{"a", 100}, {"b", 101}, {"c", 300}}, "new")->token, "new");
}

TEST(Advance, ANodeThatWasDownDuringTheChangeIsNoSecondChange) {
  const auto changed = advance(kKnown, {{"a", 200}, {"b", 201}}, "new");
  const auto returned = advance(changed, {{"a", 200}, {"b", 201}, {"c", 202}}, "newer");
  EXPECT_EQ(returned->token, "new");
  EXPECT_EQ(returned->nodes.at("c"), 202);
}

TEST(Advance, ANodeThatJoinsIsTakenIntoTheRecord) {
  const auto joined = advance(kKnown, {{"a", 100}, {"d", kNeverTruncated}}, "new");
  EXPECT_EQ(joined->token, "t1");
  EXPECT_EQ(joined->nodes.size(), 4U);
  // So that it can vouch when the others have left.
  EXPECT_EQ(advance(joined, {{"d", kNeverTruncated}}, "new")->token, "t1");
}

TEST(Disowned, ChangesWhatCachesBelongToAndNotTheTable) {
  const Epoch once = disowned(kKnown, kKnown.nodes, {"new", "new"});
  EXPECT_EQ(table_part(once), "t1");
  EXPECT_EQ(caches_part(once), "new");
  EXPECT_EQ(once.nodes, kKnown.nodes);
  EXPECT_EQ(once.trusted, "") << "nobody is told from now on";
  const Epoch twice = disowned(once, {{"a", 100}}, {"newer", "newer"});
  EXPECT_EQ(table_part(twice), "t1");
  EXPECT_EQ(caches_part(twice), "newer");
  EXPECT_EQ(twice.nodes, kKnown.nodes) << "what is known of the others is kept";
  EXPECT_EQ(advance(twice, {{"b", 101}}, "x"), twice);
}

TEST(Disowned, WithoutARecordTheTableIsTheOneThatWasNeverTruncated) {
  const Epoch first = disowned(std::nullopt, {{"a", kNeverTruncated}}, {"new", "new"});
  EXPECT_EQ(table_part(first), table_part(std::nullopt));
  EXPECT_EQ(caches_part(first), "new");
  EXPECT_EQ(parse_epoch(to_text(first)), first);
}

TEST(Disowned, ATruncationChangesTheTableAllTheSame) {
  const Epoch once = disowned(kKnown, {{"a", 500}}, {"new", "new"});
  EXPECT_EQ(table_part(once), "new");
  EXPECT_EQ(table_part(*advance(once, {{"a", 600}}, "newer")), "newer");
  EXPECT_EQ(caches_part(*advance(once, {{"a", 600}}, "newer")), "none");
}

TEST(Trusting, ChangesWhatCachesBelongToWhereItIsAnotherCacheAndOnlyThen) {
  EXPECT_EQ(trusting(kKnown, kKnown.nodes, {"new", "new"}, "c1"), kKnown);
  const Epoch other = trusting(kKnown, kKnown.nodes, {"new", "new"}, "c2");
  EXPECT_EQ(table_part(other), "t1");
  EXPECT_EQ(caches_part(other), "new");
  EXPECT_EQ(other.trusted, "c2");
  EXPECT_EQ(trusting(other, kKnown.nodes, {"newer", "newer"}, "c2"), other);
  // The one of before is not told what the other one is: back to it is a change again.
  EXPECT_EQ(caches_part(trusting(other, kKnown.nodes, {"newer", "newer"}, "c1")), "newer");
  EXPECT_EQ(parse_epoch(to_text(other)), other);
}

TEST(Trusting, AfterADisowningIsAChangeForEveryCache) {
  const Epoch disowned_once = disowned(kKnown, kKnown.nodes, {"new", "new"});
  const Epoch again = trusting(disowned_once, kKnown.nodes, {"newer", "newer"}, "c1");
  EXPECT_EQ(caches_part(again), "newer");
  EXPECT_EQ(again.trusted, "c1");
}

TEST(Trusting, BeginsTheRecordOfATableThatWasNeverTruncated) {
  const Epoch first = trusting(std::nullopt, {{"a", kNeverTruncated}}, {"new", "new"}, "c1");
  EXPECT_EQ(table_part(first), table_part(std::nullopt));
  EXPECT_EQ(first.trusted, "c1");
  EXPECT_EQ(trusting(first, {{"a", kNeverTruncated}}, {"newer", "newer"}, "c1"), first);
}

TEST(Trusting, ATruncationIsSeenAllTheSame) {
  const Epoch truncated = trusting(kKnown, {{"a", 500}}, {"new", "new"}, "c1");
  EXPECT_EQ(table_part(truncated), "new");
  EXPECT_EQ(truncated.trusted, "c1");
}

TEST(ChangedToken, IsTheSameForAllWhoSeeTheSameAndForNobodyElse) {
  const Truncations seen{{"a", 500}};
  const std::string token = changed_token("id", kKnown, seen);
  EXPECT_EQ(changed_token("id", kKnown, seen), token);
  EXPECT_NE(changed_token("id", kKnown, {{"a", 501}}), token);
  EXPECT_NE(changed_token("id", std::nullopt, seen), token);
  EXPECT_NE(changed_token("other", kKnown, seen), token);
  EXPECT_NE(changed_token("id", advance(kKnown, seen, token), seen), token);
}

TEST(CacheName, IsOneWordOfTheIdentity) {
  EXPECT_EQ(cache_name("a cache").size(), 32U);
  EXPECT_EQ(cache_name("a cache"), cache_name("a cache"));
  EXPECT_NE(cache_name("a cache"), cache_name("another cache"));
}

TEST(Advance, NobodyWhoCanVouchIsAChange) {
  EXPECT_EQ(advance(kKnown, {{"d", 100}}, "new")->token, "new");
  EXPECT_EQ(advance(kKnown, {{"d", kNeverTruncated}}, "new")->token, "new");
  EXPECT_EQ(advance(parse_epoch("not ours"), {{"a", 100}}, "new")->token, "new");
}

// As system.local has it: two tables, commit log position (8 + 4 bytes) and milliseconds.
std::string truncated_at() {
  std::string map = big_endian(2, 4);
  for (const auto& [id, time] :
       {std::pair(std::string(16, 'x'), 7), std::pair(std::string(16, 'y'), 9)}) {
    map += big_endian(16, 4) + id + big_endian(20, 4) + std::string(12, '\1') + big_endian(time, 8);
  }
  return map;
}

TEST(TruncationTime, IsFoundByTheTablesId) {
  EXPECT_EQ(truncation_time(truncated_at(), std::string(16, 'x')).value(), 7);
  EXPECT_EQ(truncation_time(truncated_at(), std::string(16, 'y')).value(), 9);
  EXPECT_EQ(truncation_time(truncated_at(), std::string(16, 'z')).value(), kNeverTruncated);
}

TEST(TruncationTime, ATruncatedMapIsAnError) {
  const std::string map = truncated_at();
  for (std::size_t size = 0; size < map.size(); ++size) {
    const auto time = truncation_time(std::string_view(map).substr(0, size), std::string(16, 'z'));
    ASSERT_FALSE(time) << size;
    EXPECT_EQ(time.error().code, ErrorCode::kInternal);
  }
}

TEST(TimestampOf, ReadsMillisecondsAndNull) {
  EXPECT_EQ(timestamp_of(big_endian(1234, 8)), 1234);
  EXPECT_EQ(timestamp_of(""), kNeverTruncated);
}

TEST(FreshToken, IsNeverTheSame) {
  EXPECT_EQ(fresh_token().size(), 32U);
  EXPECT_NE(fresh_token(), fresh_token());
}

}  // namespace
}  // namespace dataflow::cassandra
