// Goal: a product becomes exactly the cells CQL expects, and comes back equal.
#include "dataflow/cassandra/rows.h"

#include <gmock/gmock.h>

#include <bit>
#include <limits>
#include <string>

#include "dataflow/cassandra/schema.h"
#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(EncodedRows, WritesNumbersBigEndianAndTextAsItIs) {
  EncodedRows rows;
  rows.append({.id = 0x0102030405060708,
               .title = "größe",
               .price = -2.5,
               .category = "c",
               .brand = "b",
               .url = "u",
               .description = "d"});
  EXPECT_EQ(text_of(rows.bytes), std::string("\1\2\3\4\5\6\7\10größe\xC0\x04\0\0\0\0\0\0cbud", 27));
  EXPECT_THAT(rows.lengths, ElementsAre(8, 7, 8, 1, 1, 1, 1));
}

TEST(EncodedRows, AbsentFieldsAreNullAndEmptyTextIsNot) {
  EncodedRows rows;
  rows.append({.id = 1,
               .title = "t",
               .price = {},
               .category = "",
               .brand = {},
               .url = {},
               .description = {}});
  EXPECT_THAT(rows.lengths, ElementsAre(8, 1, -1, 0, -1, -1, -1));
  EXPECT_EQ(rows.bytes.size(), 9U);
}

TEST(EncodedRows, RowsFollowOneAnother) {
  EncodedRows rows;
  rows.append(bare(1, "a"));
  rows.append(bare(kMaxProductId, "b"));
  EXPECT_EQ(rows.lengths.size(), 2 * kColumns);
  EXPECT_EQ(text_of(rows.bytes),
            big_endian(1, 8) + "a" + big_endian(std::numeric_limits<std::int64_t>::max(), 8) + "b");
}

TEST(DataSize, CountsValuesWithoutTheKeyAndTheRowsOwnBytes) {
  EXPECT_EQ(data_size(bare(1, "t")), kRowOverhead + 1);
  EXPECT_EQ(data_size({.id = 1,
                       .title = "tt",
                       .price = 1.0,
                       .category = "c",
                       .brand = "bb",
                       .url = "uuu",
                       .description = "dddd"}),
            kRowOverhead + 2 + 8 + 1 + 2 + 3 + 4);
}

TEST(NextProduct, ReadsWhatWasWritten) {
  Rows rows =
      rows_of(6, {"title", big_endian(std::bit_cast<std::uint64_t>(0.1), 8), "c", "", "u",
                  std::nullopt,  //
                  "bare", std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt});
  EXPECT_EQ(next_product(rows, 7), (Product{7, "title", 0.1, "c", "", "u", std::nullopt}));
  EXPECT_EQ(next_product(rows, 8), (Product{8, "bare", {}, {}, {}, {}, {}}));
  EXPECT_TRUE(rows.done());
}

TEST(NextProduct, ARowThatIsNotThereIsNotFound) {
  const std::vector<std::int32_t> missing(6, -2);
  Rows rows(nullptr, {}, missing, 6);
  const auto product = next_product(rows, 42);
  ASSERT_FALSE(product);
  EXPECT_EQ(product.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(product.error().message, HasSubstr("42"));
}

TEST(NextProduct, APriceThatIsNoDoubleIsAnErrorAndTheNextRowIsStillRead) {
  Rows rows =
      rows_of(6, {"t", "9.99", "c", "b", "u", "d",  //
                  "next", std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt});
  const auto product = next_product(rows, 1);
  ASSERT_FALSE(product);
  EXPECT_EQ(product.error().code, ErrorCode::kInternal);
  EXPECT_EQ(next_product(rows, 2)->title, "next");
}

}  // namespace
}  // namespace dataflow::cassandra
