// Goal: what is written reads back, value for value, with a parser that is not ours.
#include "dataflow/http/json.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace dataflow::http {
namespace {

std::string json_of(const Product& product) {
  std::string out;
  append_json(out, product);
  return out;
}

std::string number(double value) {
  std::string out;
  append_json_number(out, value);
  return out;
}

std::string text(std::string_view value) {
  std::string out;
  append_json_string(out, value);
  return out;
}

std::optional<std::string> optional_text(simdjson::dom::element element) {
  if (element.is_null()) return std::nullopt;
  return std::string(std::string_view(element.get_string().value()));
}

// Reads with simdjson's DOM.
Product read_back(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  const auto error = parser.parse(json).get(document);
  EXPECT_EQ(error, simdjson::SUCCESS) << json;
  if (error != simdjson::SUCCESS) return {};
  Product product;
  product.id = document["id"].get_int64().value();
  product.title = std::string(std::string_view(document["title"].get_string().value()));
  if (!document["price"].is_null()) product.price = document["price"].get_double().value();
  product.category = optional_text(document["category"].value());
  product.brand = optional_text(document["brand"].value());
  product.url = optional_text(document["url"].value());
  product.description = optional_text(document["description"].value());
  return product;
}

TEST(Json, KeysStandInTheirOrderAndAbsentIsNull) {
  EXPECT_EQ(json_of({42, "Lamp", 19.99, "light", "Lux", "http://x/1", "A lamp."}),
            R"({"id":42,"title":"Lamp","price":19.99,"category":"light","brand":"Lux",)"
            R"("url":"http://x/1","description":"A lamp."})");
  EXPECT_EQ(json_of({0, "t", {}, {}, {}, {}, {}}),
            R"({"id":0,"title":"t","price":null,"category":null,"brand":null,)"
            R"("url":null,"description":null})");
  EXPECT_EQ(json_of({kMaxProductId, "t", {}, "", {}, {}, {}}).substr(0, 25),
            R"({"id":9223372036854775807)");
}

TEST(Json, AppendsToWhatIsThere) {
  std::string out = "x";
  append_json_string(out, "y");
  EXPECT_EQ(out, "x\"y\"");
}

TEST(Json, NumbersAreTheShortestThatReadBack) {
  EXPECT_EQ(number(0.1), "0.1");
  EXPECT_EQ(number(5), "5");
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(-0.0), "-0.0");
  EXPECT_EQ(number(1e308), "1e+308");
  EXPECT_EQ(number(-1.5e-7), "-1.5e-07");
  EXPECT_EQ(number(std::numeric_limits<double>::denorm_min()), "5e-324");
  EXPECT_EQ(number(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(number(9007199254740993.0), "9007199254740992");
  EXPECT_EQ(number(9223372036854774784.0), "9223372036854774784");
  EXPECT_EQ(number(9223372036854775808.0), "9.223372036854776e+18");
  EXPECT_EQ(number(-23330076727814832128.0), "-2.3330076727814832e+19");
  EXPECT_EQ(number(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(number(std::nan("")), "null");
}

TEST(Json, StringsEscapeWhatHasToBe) {
  EXPECT_EQ(text(""), "\"\"");
  EXPECT_EQ(text("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(text("\n\r\t\b\f"), R"("\n\r\t\u0008\u000c")");
  EXPECT_EQ(text(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(text("\xe2\x80\xa8 \xf0\x9f\x98\x80 \xc3\xbc"),
            "\"\xe2\x80\xa8 \xf0\x9f\x98\x80 \xc3\xbc\"");
}

// Every character that needs an escape, and its neighbours, at every place of a word.
TEST(Json, EscapesAreFoundWhereverTheyStand) {
  for (std::size_t place = 0; place < 20; ++place) {
    for (int c = 0; c < 256; ++c) {
      std::string value(20, '\xff');
      value[place] = static_cast<char>(c);
      const std::string written = text(value);
      const bool escaped = c < 0x20 || c == '"' || c == '\\';
      EXPECT_EQ(written.find('\\') == place + 1, escaped) << c << " at " << place;
      EXPECT_EQ(written.size() > value.size() + 2, escaped) << c << " at " << place;
    }
  }
}

std::string random_text(std::mt19937_64& random) {
  static constexpr char32_t kInteresting[] = {
      0,     1,      0x1f,   ' ',    '"',    '\\',   '/',    'a',     0x7f,    0x80,    0x7ff,
      0x800, 0x2028, 0x2029, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x1f600, 0x10ffff};
  std::string out;
  for (auto length = random() % 40; length > 0; --length) {
    char32_t c = random() % 2 == 0 ? kInteresting[random() % std::size(kInteresting)]
                                   : static_cast<char32_t>(' ' + random() % 90);
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      out += {static_cast<char>(0xe0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 63)),
              static_cast<char>(0x80 | (c & 63))};
    } else {
      out += {static_cast<char>(0xf0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 63)),
              static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
    }
  }
  return out;
}

TEST(Json, RandomProductsReadBackEqual) {
  std::mt19937_64 random(20'261'123);
  const auto maybe = [&random]() -> std::optional<std::string> {
    if (random() % 4 == 0) return std::nullopt;
    return random_text(random);
  };
  for (int i = 0; i < 20'000; ++i) {
    Product product;
    product.id = static_cast<ProductId>(random() >> (1 + random() % 60));
    product.title = random_text(random);
    const double price = random() % 2 == 0 ? std::bit_cast<double>(random())
                                           : static_cast<double>(random() % 1'000'000) / 100;
    if (std::isfinite(price)) product.price = price;
    product.category = maybe();
    product.brand = maybe();
    product.url = maybe();
    product.description = maybe();
    const std::string json = json_of(product);
    ASSERT_EQ(read_back(json), product) << json;
  }
}

}  // namespace
}  // namespace dataflow::http
