// Goal: the fast way of plain lines makes of every line just what the general way makes of it, for
// good, bad and damaged lines; and lines as most are do take it.
#include "dataflow/pipeline/plain_line.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dataflow/pipeline/parser.h"

namespace dataflow::pipeline {
namespace {

constexpr std::size_t kMaxLine = 4096;

Block block_of(std::string_view text) {
  Block block;
  block.memory = std::make_unique<char[]>(text.size() + kBlockPadding);
  std::memcpy(block.memory.get(), text.data(), text.size());
  block.size = text.size();
  return block;
}

std::string shown(const std::optional<std::string_view>& text) {
  return text ? "\"" + std::string(*text) + "\"" : "null";
}

// Everything that a line became, in words; prices to the last bit.
std::string shown(const Rows& rows) {
  std::string text = std::to_string(rows.lines) + " lines\n";
  for (const Row& row : rows.rows) {
    const ProductView& product = row.product;
    std::uint64_t price = 0;
    if (product.price) std::memcpy(&price, &*product.price, sizeof price);
    text += std::to_string(row.offset) + ": " + std::to_string(product.id) + " " +
            shown(product.title) + (product.price ? " " : " no ") + std::to_string(price) + " " +
            shown(product.category) + shown(product.brand) + shown(product.url) +
            shown(product.description) + " " + std::to_string(row.fingerprint[0]) + " " +
            std::to_string(row.fingerprint[1]) + "\n";
  }
  for (const RejectedLine& line : rows.rejected) {
    text += std::to_string(line.line) + " at " + std::to_string(line.byte) + ": " + line.reason +
            ": " + std::string(line.text) + "\n";
  }
  return text;
}

std::string both_ways(std::string_view text) {
  const Block block = block_of(text);
  Parser all(kMaxLine);
  Parser general(kMaxLine, Parser::Ways::kGeneral);
  const std::string expected = shown(general.parse(block));
  EXPECT_EQ(shown(all.parse(block)), expected) << text;
  return expected;
}

bool is_plain(std::string_view line) {
  const Block block = block_of(line);
  Arena arena(block.size);
  Fields fields;
  const char* const end = block.memory.get() + block.size;
  return read_plain_line(block.memory.get(), end, arena, fields) == end;
}

class Lines {
 public:
  explicit Lines(unsigned seed) : random_(seed) {}

  // A line that has everything which is written in one way or another, now and then a wrong thing.
  std::string next() {
    std::string line = pick({"", "", "", " ", "\t\r "}) + "{";
    line += "\"id\":" + (rarely() ? value() : std::to_string(random_() % 1000000));
    line += ",\"title\": " + (rarely() ? value() : string());
    for (std::size_t fields = random_() % 6; fields > 0; --fields) {
      const std::string name = key();
      line += pick({",", ",", ", ", " ,\t"}) + name + pick({":", ": ", " :\r"});
      line += rarely() ? value() : name == "\"price\"" ? number() : string();
    }
    return line + (rarely() ? pick({"}}", "", "},"}) : pick({"}", "}", "}\r", "} "}));
  }

  // One to three bytes changed, taken out or put in.
  std::string damaged(std::string line) {
    for (std::size_t n = 1 + random_() % 3; n > 0 && !line.empty(); --n) {
      const std::size_t at = random_() % line.size();
      const auto byte = static_cast<char>(random_() % 3 == 0 ? random_() % 256
                                                             : kBytes[random_() % kBytes.size()]);
      switch (random_() % 3) {
        case 0:
          line[at] = byte;
          break;
        case 1:
          line.erase(at, 1);
          break;
        default:
          line.insert(at, 1, byte);
      }
    }
    return line;
  }

 private:
  static constexpr std::string_view kBytes = "\"\\{}[]:,0123456789.eE+-untrfal \t\r\n/bdD8";

  std::string pick(const std::vector<std::string>& choices) {
    return choices[random_() % choices.size()];
  }

  bool rarely() { return random_() % 16 == 0; }

  std::string key() {
    if (rarely()) return pick({"\"id\"", "\"title\"", "\"\\u0069d\"", "\"br\\\\and\"", "\"\""});
    return pick({"\"price\"", "\"price\"", "\"category\"", "\"brand\"", "\"url\"",
                 "\"description\"", "\"other\"", "\"a key that is longer than the others\"",
                 "\"größe\""});
  }

  std::string value() {
    switch (random_() % 4) {
      case 0:
        return number();
      case 1:
        return string();
      default:
        return pick({"null", "true", "false", "nul", "nulll", "[]", "{}", "[1,{\"a\":2}]", "NaN",
                     "\"\"", "", "'a'", "\"open"});
    }
  }

  std::string number() {
    if (rarely()) {
      return pick({"01", "00", "1.", ".5", "-", "1e", "1x", "1e400", "-1e-400", "1E+3", "0.1e0"});
    }
    return pick({"", "", "", "-"}) +
           pick({"0", "1", "7", "19", "123456789012345678", "1234567890123456789",
                 "9007199254740992", "9007199254740993", "9223372036854775807",
                 "9223372036854775808", "18446744073709551616", std::to_string(random_())}) +
           pick({"", "", ".0", ".5", ".25", ".1", ".99", ".000000000000000001",
                 ".3333333333333333333", "." + std::to_string(random_())});
  }

  std::string string() {
    std::string text = "\"";
    for (std::size_t n = random_() % 12; n > 0; --n) {
      text += pick({"a", "word ", "sixteen bytes ab", "größe", "漢字", "😀", "\\u0041", "\\u00e9",
                    "\\u6f22", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\u0000", "\\n", "\\\"", "\\\\",
                    "\\/", "\\b\\f\\r\\t", "\x7f", std::string(100, 'l')});
      if (rarely() && rarely()) {
        text += pick({"\\ud83d", "\\ude00", "\\ud83d\\u0041", "\\ud83d\\", "\\u00g0", "\\x", "\t",
                      std::string(1, '\x01'), "\xe2\x82"});
      }
    }
    return text + "\"";
  }

  std::mt19937 random_;
};

TEST(PlainLine, IsWhatMostLinesAre) {
  EXPECT_TRUE(is_plain(
      R"({"id": 7, "title": "\"a\" \u6f22", "price": 12.5, "brand": null, "x": true, "y": -1})"));
  EXPECT_TRUE(is_plain(" {\"title\":\"a\",\"id\":0}\r"));
  for (const char* line :
       {R"({"id":1})", R"({"id":1,"title":""})", R"({"id":1,"title":"a","x":[]})",
        R"({"id":1,"title":"a"} x)", R"({"id":1,"title":"a\x"})", "", "{}"}) {
    EXPECT_FALSE(is_plain(line)) << line;
  }
}

TEST(PlainLine, IsTakenAsTheGeneralWayTakesIt) {
  Lines lines(20261125);
  std::size_t rows = 0;
  std::size_t plain = 0;
  constexpr std::size_t kLines = 20'000;
  for (std::size_t i = 0; i < kLines; ++i) {
    const std::string line = lines.next();
    const std::string became = both_ways(line);
    if (became.find("1 lines\n0: ") == 0) {
      ++rows;
      plain += is_plain(line) ? 1 : 0;
    }
    both_ways(lines.damaged(line));
    if (HasFailure()) return;
  }
  // Both kinds have been met often enough to be compared.
  EXPECT_GT(rows, kLines / 10);
  EXPECT_GT(plain, rows / 2);
  EXPECT_LT(rows, kLines * 9 / 10);
}

TEST(PlainLine, IsTakenInABlockOfOthers) {
  Lines lines(7);
  for (int block = 0; block < 200; ++block) {
    std::string text;
    for (int i = 0; i < 20; ++i) text += lines.damaged(lines.next()) + "\n";
    // Invalid UTF-8 anywhere in the block changes nothing for the other lines.
    if (block % 2 == 0) text += "{\"id\":1,\"title\":\"\xC0\xAF\"}\n";
    text += lines.next();
    both_ways(text);
    if (HasFailure()) return;
  }
}

TEST(PlainLine, OverTheLimitIsRejected) {
  const std::string start = R"({"id":1,"title":")";
  const std::string most = start + std::string(kMaxLine - start.size() - 2, 'x') + "\"}";
  EXPECT_EQ(both_ways(most + "\n").substr(0, 11), "1 lines\n0: ");
  EXPECT_NE(both_ways(most + " \n").find("longer than the limit"), std::string::npos);
}

}  // namespace
}  // namespace dataflow::pipeline
