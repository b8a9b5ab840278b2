// Goal: every line is a product or a rejected line with its reason and its place, as the rules in
// parser.h say.
#include "dataflow/pipeline/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace dataflow::pipeline {
namespace {

constexpr std::size_t kMaxLine = 1 << 20;

// Parses `text` as the block of an object; the rows point into the returned object.
struct Parsed {
  Block block;
  Rows rows;

  explicit Parsed(std::string_view text, std::uint64_t first_byte = 0) {
    block.memory = std::make_unique<char[]>(text.size() + kBlockPadding);
    std::memcpy(block.memory.get(), text.data(), text.size());
    block.size = text.size();
    block.first_byte = first_byte;
    Parser parser(kMaxLine);
    rows = parser.parse(block);
  }
};

TEST(Parser, ReadsEveryField) {
  const Parsed parsed(
      R"({"id":7,"title":"t\u00e9","price":1.25,"category":"c","brand":null,"url":"u","description":"d\n"})");
  ASSERT_EQ(parsed.rows.rows.size(), 1u);
  const ProductView& product = parsed.rows.rows[0].product;
  EXPECT_EQ(product.id, 7);
  EXPECT_EQ(product.title, "té");
  EXPECT_EQ(product.price, 1.25);
  EXPECT_EQ(product.category, "c");
  EXPECT_EQ(product.brand, std::nullopt);
  EXPECT_EQ(product.url, "u");
  EXPECT_EQ(product.description, "d\n");
}

struct BadLine {
  std::string line;
  std::string reason;  // a part of it
};
class Rejected : public testing::TestWithParam<BadLine> {};

TEST_P(Rejected, WithItsReasonAndPlace) {
  const std::string before = "{\"id\":1,\"title\":\"a\"}\n\n";
  const Parsed parsed(before + GetParam().line + "\n{\"id\":2,\"title\":\"b\"}\n");
  EXPECT_EQ(parsed.rows.lines, 3u);
  EXPECT_EQ(parsed.rows.rows.size(), 2u);
  ASSERT_EQ(parsed.rows.rejected.size(), 1u);
  const RejectedLine& rejected = parsed.rows.rejected[0];
  EXPECT_EQ(rejected.line, 3u);
  EXPECT_EQ(rejected.byte, before.size());
  EXPECT_EQ(rejected.text, GetParam().line);
  EXPECT_NE(rejected.reason.find(GetParam().reason), std::string::npos) << rejected.reason;
}

std::vector<BadLine> bad_lines() {
  const std::string deep(2000, '[');
  return {
      {R"({"id":1,"title":"a")", "ends before"},
      {R"({"id":1,"title":"a",})", "JSON"},
      {R"({"id":1,"title":"a"}})", "JSON"},
      {R"({"id":1,"title":"a"} {})", "JSON"},
      {R"({"id":1 "title":"a"})", "JSON"},
      {R"({"id":1,"title":"a","x":01})", "JSON"},
      {R"({"id":1,"title":"a","x":[1 2]})", "JSON"},
      {R"({"id":1,"title":"a","x":"\x"})", "JSON"},
      {R"({"id":1,"title":"a","\x":1})", "JSON"},
      {R"({"id":1,"title":"a","x":nul})", "JSON"},
      {R"({"id":1,"title":"\ud800"})", "JSON"},
      {"{\"id\":1,\"title\":\"a\tb\"}", "JSON"},
      {"{\"id\":1,\"title\":\"\xC0\xAF\"}", "UTF-8"},
      {"[1]", "object"},
      {"null", "object"},
      {"\xEF\xBB\xBF{\"id\":1,\"title\":\"a\"}", "object"},
      {R"({"title":"a"})", "id is missing"},
      {R"({"id":null,"title":"a"})", "id is missing"},
      {R"({"id":"1","title":"a"})", "id is not an integer"},
      {R"({"id":1.0,"title":"a"})", "fraction"},
      {R"({"id":1e2,"title":"a"})", "exponent"},
      {R"({"id":-1,"title":"a"})", "negative"},
      {R"({"id":-9223372036854775809,"title":"a"})", "negative"},
      {R"({"id":9223372036854775808,"title":"a"})", "larger"},
      {R"({"id":1})", "title is missing"},
      {R"({"id":1,"title":null})", "title is missing"},
      {R"({"id":1,"title":""})", "title is empty"},
      {R"({"id":1,"title":5})", "title is not a string"},
      {R"({"id":1,"title":"a","price":"5"})", "price is not a number"},
      {R"({"id":1,"title":"a","price":1e400})", "out of the range"},
      {R"({"id":1,"title":"a","price":-1e400})", "out of the range"},
      {R"({"id":1,"title":"a","price":NaN})", "JSON"},
      {R"({"id":1,"title":"a","category":1})", "category is not a string"},
      {R"({"id":1,"title":"a","brand":{}})", "brand is not a string"},
      {R"({"id":1,"title":"a","url":[]})", "url is not a string"},
      {R"({"id":1,"title":"a","description":true})", "description is not a string"},
      {R"({"id":1,"title":"a","x":)" + deep + "}", "nested deeper"},
      {R"({"id":1,"title":"a","x":)" + deep + std::string(2000, ']') + "}", "nested deeper"},
      {R"({"id":1,"title":")" + std::string(kMaxLine, 'x') + "\"}", "longer than the limit"},
  };
}
INSTANTIATE_TEST_SUITE_P(Lines, Rejected, testing::ValuesIn(bad_lines()));

TEST(Parser, TakesOddLinesThatAreGood) {
  const Parsed parsed(
      "\xEF\xBB\xBF{\"id\":0,\"title\":\"mark in front\"}\r\n"
      " \t\r\n"
      "{\"id\":\"x\",\"id\":1,\"title\":2,\"title\":\"the last of a "
      "key\",\"price\":\"x\",\"price\":-0.0}\n"
      "{\"\\u0069d\":2,\"title\":\"escaped "
      "key\",\"x\":1e400,\"y\":{\"id\":[null,true,\"\\u0000\"]}}\n"
      "  {\"id\":9223372036854775807,\"title\":\"no newline\",\"price\":5e-324}");
  EXPECT_TRUE(parsed.rows.rejected.empty());
  ASSERT_EQ(parsed.rows.rows.size(), 4u);
  EXPECT_EQ(parsed.rows.rows[1].product.id, 1);
  EXPECT_EQ(parsed.rows.rows[1].product.title, "the last of a key");
  EXPECT_EQ(parsed.rows.rows[1].product.price, -0.0);
  EXPECT_EQ(parsed.rows.rows[2].product.id, 2);
  EXPECT_EQ(parsed.rows.rows[3].product.id, kMaxProductId);
  EXPECT_EQ(parsed.rows.rows[3].product.price, 5e-324);
}

// On-Demand's own reading of a number goes wrong behind the nineteenth digit.
TEST(Parser, APriceIsTheNearestDoubleHoweverManyDigitsItHas) {
  const std::vector<std::pair<std::string, double>> prices = {
      {"0.782944702822695690081545860430", 0.782944702822695690081545860430},
      {"-0.4370204866162067245657525687264024863701424299E-35",
       -0.4370204866162067245657525687264024863701424299E-35},
      {"12345678901234567890123", 12345678901234567890123.0},
      {"9007199254740993", 9007199254740992.0},
      {"1e-400", 0.0},
      {"2.4703282292062328e-324", 5e-324},
      {"-0", -0.0},
      {"1" + std::string(400, '0') + "e-400", 1.0},
  };
  for (const auto& [text, price] : prices) {
    const Parsed parsed("{\"id\":1,\"title\":\"a\",\"price\":" + text + "}");
    ASSERT_EQ(parsed.rows.rows.size(), 1u) << text;
    EXPECT_EQ(parsed.rows.rows[0].product.price, price) << text;
  }
}

TEST(Parser, NestsToItsLimitAndNotFurther) {
  for (const std::string inner : {"", "1", "{}"}) {
    const auto nested = [&inner](int levels) {
      return "{\"id\":1,\"title\":\"a\",\"x\":" +
             std::string(static_cast<std::size_t>(levels), '[') + inner +
             std::string(static_cast<std::size_t>(levels), ']') + "}";
    };
    const int most = kMaxDepth - 1 - (inner == "{}" ? 1 : 0);
    EXPECT_EQ(Parsed(nested(most)).rows.rows.size(), 1u) << inner;
    const Parsed deeper(nested(most + 1));
    ASSERT_EQ(deeper.rows.rejected.size(), 1u) << inner;
    EXPECT_THAT(deeper.rows.rejected[0].reason, testing::HasSubstr("nested deeper"));
  }
}

// The splitter hands such a line over in pieces, which nobody looks at: so it is none for the
// parser, too.
TEST(Parser, ALineOfSpacesOverTheLimitIsRejected) {
  const Parsed parsed(std::string(kMaxLine + 1, ' ') + "\n" + std::string(kMaxLine, ' '));
  ASSERT_EQ(parsed.rows.rejected.size(), 1u);
  EXPECT_EQ(parsed.rows.rejected[0].line, 1u);
}

TEST(Parser, AMarkCountsAtTheBeginningOfTheObjectOnly) {
  EXPECT_EQ(Parsed("\xEF\xBB\xBF{\"id\":0,\"title\":\"a\"}").rows.rows.size(), 1u);
  EXPECT_EQ(Parsed("\xEF\xBB\xBF{\"id\":0,\"title\":\"a\"}", 1000).rows.rejected.size(), 1u);
  EXPECT_EQ(Parsed("\xEF\xBB\xBF\xEF\xBB\xBF{\"id\":0,\"title\":\"a\"}").rows.rejected.size(), 1u);
}

Fingerprint fingerprint_of(std::string_view line) {
  const Parsed parsed(line);
  return parsed.rows.rows.at(0).fingerprint;
}

TEST(Fingerprint, IsOfTheContentAndOfNothingElse) {
  const Fingerprint base = fingerprint_of(R"({"id":1,"title":"ab","brand":"c","price":1.5})");
  EXPECT_EQ(base,
            fingerprint_of(R"( {"price":15e-1,"brand":"\u0063","x":[],"title":"ab","id":1})"));
  for (const char* other : {
           R"({"id":1,"title":"ab","brand":"c","price":1.6})",
           R"({"id":1,"title":"ab","brand":"c"})",
           R"({"id":1,"title":"a","brand":"bc","price":1.5})",
           R"({"id":1,"title":"ab","url":"c","price":1.5})",
           R"({"id":1,"title":"ab","brand":"c","url":"","price":1.5})",
       }) {
    EXPECT_NE(base, fingerprint_of(other)) << other;
  }
}

}  // namespace
}  // namespace dataflow::pipeline
