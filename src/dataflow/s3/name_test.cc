// Goal: names of S3 objects are taken apart and put together again, and patterns match what their
// documentation says.
#include "dataflow/s3/name.h"

#include <gtest/gtest.h>

namespace dataflow::s3 {
namespace {

TEST(Name, TakesApartBucketAndKey) {
  const auto name = parse_name("s3://bucket/a/b c.jsonl");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->bucket, "bucket");
  EXPECT_EQ(name->key, "a/b c.jsonl");
  EXPECT_EQ(to_name(name->bucket, name->key), "s3://bucket/a/b c.jsonl");
}

TEST(Name, KeepsSlashesAndSpecialCharactersOfTheKey) {
  for (const std::string key : {"/leading", "a//b", "trailing/", "%2F+?#", "", "\xC3\xBC"}) {
    const auto name = parse_name("s3://bucket/" + key);
    ASSERT_TRUE(name.has_value()) << key;
    EXPECT_EQ(name->key, key);
  }
}

TEST(Name, ABucketAloneHasAnEmptyKey) {
  EXPECT_EQ(parse_name("s3://bucket").value().key, "");
  EXPECT_EQ(parse_name("s3://bucket/").value().key, "");
}

TEST(Name, RefusesWhatIsNone) {
  for (const std::string text : {"", "bucket/key", "http://bucket/key", "s3:/bucket", "s3://",
                                 "s3:///key", "s3://buck*/key", "s3://../key", "s3://a b/key"}) {
    const auto name = parse_name(text);
    ASSERT_FALSE(name.has_value()) << text;
    EXPECT_EQ(name.error().code, ErrorCode::kInvalid) << text;
    EXPECT_NE(name.error().message.find("\"" + text + "\""), std::string::npos);
  }
}

TEST(Pattern, IsToldFromAPrefixAndHasALiteralBeginning) {
  EXPECT_FALSE(is_pattern("products-1.jsonl"));
  EXPECT_TRUE(is_pattern("products-*.jsonl"));
  EXPECT_TRUE(is_pattern("products-?.jsonl"));
  EXPECT_TRUE(is_pattern("products-[12].jsonl"));
  EXPECT_EQ(literal_prefix("a/products-*.jsonl"), "a/products-");
  EXPECT_EQ(literal_prefix("*"), "");
  EXPECT_EQ(literal_prefix("a\\*b*"), "a");
}

struct MatchCase {
  std::string pattern;
  std::string key;
  bool matches;
};

class Match : public testing::TestWithParam<MatchCase> {};

TEST_P(Match, AsDocumented) {
  EXPECT_EQ(matches(GetParam().pattern, GetParam().key), GetParam().matches)
      << GetParam().pattern << " on " << GetParam().key;
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, Match,
    testing::Values(MatchCase{"products-*.jsonl", "products-1.jsonl", true},
                    MatchCase{"products-*.jsonl", "products-.jsonl", true},
                    MatchCase{"products-*.jsonl", "products-1.jsonl.bak", false},
                    MatchCase{"products-*.jsonl", "old/products-1.jsonl", false},
                    MatchCase{"products-*.jsonl", "products-a/b.jsonl", false},
                    MatchCase{"*", ".hidden", true}, MatchCase{"*/*", "a/b", true},
                    MatchCase{"*/*", "a/b/c", false}, MatchCase{"p?", "p1", true},
                    MatchCase{"p?", "p/", false}, MatchCase{"p[1-3]", "p2", true},
                    MatchCase{"p[!1-3]", "p2", false}, MatchCase{"p[!1-3]", "p4", true},
                    MatchCase{"a\\*b", "a*b", true}, MatchCase{"a\\*b", "axb", false},
                    MatchCase{"**", "a/b/c", true}, MatchCase{"**", "", true},
                    MatchCase{"a/**", "a/b/c", true}, MatchCase{"a/**", "ab", false},
                    MatchCase{"**/b", "b", true}, MatchCase{"**/b", "a/b", true},
                    MatchCase{"**/b", "a/c/b", true}, MatchCase{"**/b", "ab", false},
                    MatchCase{"a/**/b", "a/b", true}, MatchCase{"a/**/b", "a/x/y/b", true},
                    MatchCase{"a/**/b", "a/xb", false}, MatchCase{"a**z", "a/b/z", true},
                    MatchCase{"a**z", "az", true},
                    MatchCase{"a/**/*.jsonl", "a/2026/11/p.jsonl", true},
                    MatchCase{"a/**/*.jsonl", "a/2026/11/p.json", false},
                    MatchCase{"**/x/**/y", "a/x/b/y", true}, MatchCase{"**/x/**/y", "x/y", true},
                    MatchCase{"**/x/**/y", "a/b/y", false}, MatchCase{"a\\**b", "a*/b", false},
                    MatchCase{"a\\**b", "a*xb", true}));

TEST(Pattern, ALongKeyAndManyStarsTakeNoLongTime) {
  const std::string key(1024, 'a');
  EXPECT_FALSE(matches("**a*b", key));
}

}  // namespace
}  // namespace dataflow::s3
