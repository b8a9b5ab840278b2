// Goal: names of S3 objects are taken apart and put together again.
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

}  // namespace
}  // namespace dataflow::s3
