// Goal: a product comes out of its bytes as it went in, and bytes that are none are an error and no
// crash.
#include "dataflow/rocksdb/product_codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace dataflow::rocksdb {
namespace {

std::string encoded(const Product& product) {
  std::string value = "what was there before";
  encode_product(view_of(product), value);
  return value;
}

Product random_product(std::mt19937_64& random) {
  const auto text = [&random](std::size_t least) {
    // Lengths around the steps of the varint, and none.
    constexpr std::size_t kLengths[] = {0, 1, 5, 127, 128, 300, 16'383, 16'384};
    std::string string(std::max(least, kLengths[random() % std::size(kLengths)]), ' ');
    for (char& c : string) c = static_cast<char>(random());
    return string;
  };
  const auto maybe = [&](auto&& make) {
    return random() % 2 != 0 ? std::optional(make()) : std::nullopt;
  };
  Product product;
  product.id = static_cast<ProductId>(random() >> 1);
  product.title = text(1);
  product.price = maybe([&] { return std::bit_cast<double>(random() & ~(1ull << 62)); });
  product.category = maybe([&] { return text(0); });
  product.brand = maybe([&] { return text(0); });
  product.url = maybe([&] { return text(0); });
  product.description = maybe([&] { return text(0); });
  return product;
}

TEST(ProductCodec, WhatGoesInComesOut) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2'000; ++i) {
    const Product product = random_product(random);
    const std::string value = encoded(product);
    const auto view = decode_product(product.id, value);
    ASSERT_TRUE(view) << view.error().describe();
    EXPECT_EQ(to_product(*view), product);
  }
}

TEST(ProductCodec, PricesKeepEveryBit) {
  for (const double price :
       {0.0, -0.0, 0.1, 1e308, 5e-324, -1.5, std::numeric_limits<double>::infinity()}) {
    Product product{1, "t", price, {}, {}, {}, {}};
    const std::string value = encoded(product);
    const auto view = decode_product(1, value);
    ASSERT_TRUE(view && view->price);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(*view->price), std::bit_cast<std::uint64_t>(price));
  }
}

TEST(ProductCodec, AnEmptyStringIsNotANullOne) {
  const Product empty{1, "t", {}, "", {}, "", {}};
  const std::string value = encoded(empty);
  const auto view = decode_product(1, value);
  ASSERT_TRUE(view);
  EXPECT_EQ(to_product(*view), empty);
}

TEST(ProductCodec, EveryBeginningOfAValueIsAnError) {
  const std::string value = encoded({1, "title", 1.5, "c", "b", "", std::string(200, 'd')});
  for (std::size_t size = 0; size < value.size(); ++size) {
    const auto view = decode_product(1, value.substr(0, size));
    ASSERT_FALSE(view) << size;
    EXPECT_EQ(view.error().code, ErrorCode::kInternal);
    EXPECT_NE(view.error().message.find("product 1 is damaged"), std::string::npos);
  }
  EXPECT_FALSE(decode_product(1, value + "x"));
}

TEST(ProductCodec, AnotherVersionUnknownFieldsAndAnEmptyTitleAreErrors) {
  std::string version = encoded({1, "t", {}, {}, {}, {}, {}});
  version[0] = 2;
  EXPECT_FALSE(decode_product(1, version));
  std::string fields = encoded({1, "t", {}, {}, {}, {}, {}});
  fields[1] = 0x20;
  EXPECT_FALSE(decode_product(1, fields));
  EXPECT_FALSE(decode_product(1, encoded({1, "", {}, {}, {}, {}, {}})));
  // A length that goes on for ever, and one far beyond the value.
  EXPECT_FALSE(decode_product(1, std::string("\1\0\xff\xff\xff\xff\xff\xff\xff\xff", 10)));
  EXPECT_FALSE(decode_product(1, std::string("\1\0\xff\xff\xff\xff\x7f"
                                             "abc",
                                             10)));
}

TEST(ProductCodec, DamagedBytesNeverCrash) {
  std::mt19937_64 random(11);
  std::vector<std::string> values;
  for (int i = 0; i < 200; ++i) values.push_back(encoded(random_product(random)).substr(0, 64));
  for (int i = 0; i < 20'000; ++i) {
    std::string value = values[random() % values.size()];
    for (int flips = 0; flips < 3; ++flips) value[random() % value.size()] ^= 1 << random() % 8;
    // In a buffer of its own size, so that the sanitizer sees a read beyond it.
    const std::vector<char> exact(value.begin(), value.end());
    const auto view = decode_product(1, {exact.data(), exact.size()});
    EXPECT_TRUE(!view || !view->title.empty());
  }
}

TEST(ProductKey, SortsAsIdsDo) {
  EXPECT_LT(ProductKey(1).view(), ProductKey(2).view());
  EXPECT_LT(ProductKey(255).view(), ProductKey(256).view());
  EXPECT_LT(ProductKey(256).view(), ProductKey(kMaxProductId).view());
  EXPECT_EQ(ProductKey(0x0102).view(), std::string_view("\0\0\0\0\0\0\1\2", 8));
}

}  // namespace
}  // namespace dataflow::rocksdb
