// Goal: patterns match what their documentation says, whatever they are in bounded time.
#include "dataflow/s3/pattern.h"

#include <fnmatch.h>
#include <gtest/gtest.h>

#include <string>

namespace dataflow::s3 {
namespace {

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
    testing::Values(
        MatchCase{"products-*.jsonl", "products-1.jsonl", true},
        MatchCase{"products-*.jsonl", "products-.jsonl", true},
        MatchCase{"products-*.jsonl", "products-1.jsonl.bak", false},
        MatchCase{"products-*.jsonl", "old/products-1.jsonl", false},
        MatchCase{"products-*.jsonl", "products-a/b.jsonl", false}, MatchCase{"*", ".hidden", true},
        MatchCase{"*/*", "a/b", true}, MatchCase{"*/*", "a/b/c", false},
        MatchCase{"p?", "p1", true}, MatchCase{"p?", "p/", false}, MatchCase{"p[1-3]", "p2", true},
        MatchCase{"p[!1-3]", "p2", false}, MatchCase{"p[!1-3]", "p4", true},
        MatchCase{"a\\*b", "a*b", true}, MatchCase{"a\\*b", "axb", false},
        MatchCase{"**", "a/b/c", true}, MatchCase{"**", "", true}, MatchCase{"a/**", "a/b/c", true},
        MatchCase{"a/**", "ab", false}, MatchCase{"**/b", "b", true},
        MatchCase{"**/b", "a/b", true}, MatchCase{"**/b", "a/c/b", true},
        MatchCase{"**/b", "ab", false}, MatchCase{"a/**/b", "a/b", true},
        MatchCase{"a/**/b", "a/x/y/b", true}, MatchCase{"a/**/b", "a/xb", false},
        MatchCase{"a**z", "a/b/z", true}, MatchCase{"a**z", "az", true},
        MatchCase{"a/**/*.jsonl", "a/2026/11/p.jsonl", true},
        MatchCase{"a/**/*.jsonl", "a/2026/11/p.json", false},
        MatchCase{"**/x/**/y", "a/x/b/y", true}, MatchCase{"**/x/**/y", "x/y", true},
        MatchCase{"**/x/**/y", "a/b/y", false}, MatchCase{"a\\**b", "a*/b", false},
        MatchCase{"a\\**b", "a*xb", true}, MatchCase{"a\\", "a", false},
        MatchCase{"?", "\xff", true}, MatchCase{"[/]", "/", false}, MatchCase{"[!a]", "/", false}));

// Trying every place for every star takes a lifetime here.
TEST(Pattern, ALongKeyAndManyStarsTakeNoLongTime) {
  const std::string key(1024, 'a');
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "**a*";
  EXPECT_FALSE(matches(pattern + "b", key));
  EXPECT_TRUE(matches(pattern, key));
}

TEST(Pattern, BracketsAreThoseOfFnmatch) {
  for (const std::string pattern : {"[a-c]",
                                    "[!a-c]",
                                    "[^a-c]",
                                    "[]a]",
                                    "[!]a]",
                                    "[a-]",
                                    "[-a]",
                                    "[[:digit:]x]",
                                    "[![:alpha:]]",
                                    "[[:space:][:punct:]]",
                                    "[\\]]",
                                    "[a\\-c]",
                                    "[",
                                    "[a",
                                    "[]",
                                    "[!",
                                    "[!]",
                                    "x[",
                                    "[[]",
                                    "[[:digit:]"}) {
    for (int c = 1; c < 128; ++c) {
      if (c == '/') continue;
      const std::string key(1, static_cast<char>(c));
      for (const std::string& each : {key, pattern.substr(0, 1) + key, "x" + key}) {
        EXPECT_EQ(matches(pattern, each), fnmatch(pattern.c_str(), each.c_str(), FNM_PATHNAME) == 0)
            << pattern << " on " << each;
      }
    }
  }
}

}  // namespace
}  // namespace dataflow::s3
