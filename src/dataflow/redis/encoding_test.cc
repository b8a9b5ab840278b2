// Goal: what is written to Redis is read back as it was, and keys of different things never meet.
#include "dataflow/redis/encoding.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <set>

namespace dataflow::redis {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::string encoded(const CacheEntry& entry) {
  std::string bytes(kEntryBytes, '?');
  encode(entry, bytes);
  return bytes;
}

CacheEntry stored_at(WriteTime time) {
  return {.state = CacheEntry::State::kStored, .fingerprint = {1, 2}, .time = time, .owner = 3};
}

TEST(Entry, IsReadAsItWasWritten) {
  const std::array entries{
      stored_at(0),
      CacheEntry{CacheEntry::State::kStored, true, {kMax, kMax - 1}, kMaxProductId, kMax},
      CacheEntry{CacheEntry::State::kStored, false, {0, 1ULL << 63}, 1, kNoObject},
      CacheEntry{CacheEntry::State::kDirty, false, {}, 1'790'000'000'000'000, 77},
  };
  for (const CacheEntry& entry : entries) EXPECT_EQ(decode(encoded(entry)), entry);
}

TEST(Entry, HasItsFieldsWhereTheScriptsLookForThem) {
  const std::string bytes = encoded(
      {CacheEntry::State::kStored, true, {0x1112131415161718, 0x2122232425262728}, 0x0102, 0x0304});
  EXPECT_EQ(bytes.substr(0, 8), std::string("\0\0\0\0\0\0\1\2", 8));
  EXPECT_EQ(bytes.substr(8, 8), std::string("\0\0\0\0\0\0\3\4", 8));
  EXPECT_EQ(bytes.substr(16, 16),
            "\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24\x25\x26\x27\x28");
  EXPECT_EQ(bytes[32], 1);
  EXPECT_EQ(encoded({.state = CacheEntry::State::kDirty})[32], 2);
}

TEST(Entry, OfAnotherSizeIsAbsent) {
  const std::string bytes = encoded(stored_at(1));
  EXPECT_EQ(decode(""), CacheEntry{});
  EXPECT_EQ(decode(bytes.substr(1)), CacheEntry{});
  EXPECT_EQ(decode(bytes + "x"), CacheEntry{});
}

TEST(Time, IsReadFromEightBytesOnly) {
  EXPECT_EQ(decode_time(encoded(stored_at(kMaxProductId)).substr(0, 8)), kMaxProductId);
  EXPECT_EQ(decode_time("1234567"), std::nullopt);
}

TEST(Keys, DifferByIncarnationAndRunOfTheServer) {
  const std::set<std::string> pointers{pointer_key("table\n1", "run"),
                                       pointer_key("table\n2", "run"), pointer_key("table", "run"),
                                       pointer_key("table\n1", "other")};
  EXPECT_EQ(pointers.size(), 4);
  EXPECT_EQ(pointer_key("table\n1", "run"), pointer_key("table\n1", "run"));
}

TEST(Keys, OfTheRegistryDifferByTheTableOnly) {
  EXPECT_EQ(registry_key("table\n1"), registry_key("table\n2"));
  EXPECT_EQ(registry_key("table\n1"), registry_key("table"));
  EXPECT_NE(registry_key("table\n1"), registry_key("other\n1"));
}

TEST(Keys, OfRowsAndRecordsBeginWithTheirGeneration) {
  EXPECT_EQ(row_prefix("abc"), "dataflow:abc:");
  EXPECT_EQ(record_key("abc", 0x1f), "dataflow:abc:o000000000000001f");
  EXPECT_EQ(record_key("abc", kMax), record_prefix("abc") + "ffffffffffffffff");
}

TEST(Names, AreRandomAndKnowEachOther) {
  std::set<std::string> names;
  for (int i = 0; i < 1'000; ++i) names.insert(random_name());
  EXPECT_EQ(names.size(), 1'000);
  for (const std::string& name : names) EXPECT_TRUE(is_name(name)) << name;
  EXPECT_FALSE(is_name(""));
  EXPECT_FALSE(is_name("abcdefghij"));
  EXPECT_FALSE(is_name("abcdefghij*"));
}

TEST(Info, GivesAFieldByItsWholeName) {
  constexpr std::string_view kInfo =
      "# Stats\r\nkeys:1\r\nevicted_keys:12\r\nevicted_keys_more:13\r\nempty:\r\n"
      "total_net_input_bytes:14";
  EXPECT_EQ(info_field(kInfo, "evicted_keys"), "12");
  EXPECT_EQ(info_field(kInfo, "empty"), "");
  EXPECT_EQ(info_field(kInfo, "evicted"), "");
  EXPECT_EQ(parse_statistics(kInfo), (Statistics{12, 14}));
  EXPECT_EQ(parse_statistics("evicted_keys:3"), (Statistics{3, 0}));
  EXPECT_EQ(parse_statistics("evicted_keys:x"), std::nullopt);
  EXPECT_EQ(parse_statistics(""), std::nullopt);
}

TEST(Statistics, AreQuietWhileNothingWasEvictedOrReset) {
  constexpr Statistics kBefore{5, 100};
  EXPECT_TRUE((Statistics{5, 100}).quiet_since(kBefore));
  EXPECT_TRUE((Statistics{5, 200}).quiet_since(kBefore));
  EXPECT_FALSE((Statistics{6, 200}).quiet_since(kBefore));
  EXPECT_FALSE((Statistics{4, 200}).quiet_since(kBefore));
  EXPECT_FALSE((Statistics{5, 99}).quiet_since(kBefore));
}

TEST(Token, IsReadAsItWasMade) {
  const std::string token = make_token({12, 345});
  const auto parts = parse_token(token);
  ASSERT_TRUE(parts);
  EXPECT_TRUE(is_name(parts->name));
  EXPECT_EQ(parts->evicted_keys, "12");
  EXPECT_EQ(parts->input_bytes, "345");
  EXPECT_NE(make_token({12, 345}), token);
  for (const std::string_view wrong : {"", "abc", "abcdefghijk:1", "abcdefghijk:1:x", "abc:1:2"}) {
    EXPECT_FALSE(parse_token(wrong)) << wrong;
  }
}

TEST(Version, IsOfSizeAndVersion) {
  EXPECT_EQ(version_of({"name", 12, "\"etag\""}), "12:\"etag\"");
  EXPECT_EQ(version_of({"name", std::nullopt, "1:2"}), "-:1:2");
}

TEST(Record, IsReadWhenItIsDone) {
  const auto record = parse_done_record("done:abcdefghijk:7:99:\"etag\":12:");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->statistics, (Statistics{7, 99}));
  EXPECT_EQ(record->version, "\"etag\":12:");
  for (const std::string_view wrong :
       {"", "done:", "done:abcdefghijk:7:", "done:abcdefghijk:x:1:v", "open:abcdefghijk:7:99"}) {
    EXPECT_FALSE(parse_done_record(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_done_record(open_record(make_token({7, 99}))));
}

}  // namespace
}  // namespace dataflow::redis
