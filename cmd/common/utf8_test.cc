// Goal: what the wire clients would refuse is known before it gets there.
#include "cmd/common/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace dataflow::cmd {
namespace {

TEST(Utf8, EveryLengthAtItsBounds) {
  for (const char* good :
       {"", "a", "\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
    EXPECT_TRUE(is_utf8("x" + std::string(good) + "y")) << good;
  }
}

TEST(Utf8, WhatIsNone) {
  for (const char* bad : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2x", "\xE0\x9F\xBF",
                          "\xE2\x82", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF0\x90\x80", "\xFF", "\xFE"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
    EXPECT_FALSE(is_utf8("x" + std::string(bad) + "y")) << bad;
  }
}

}  // namespace
}  // namespace dataflow::cmd
