#include "products.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <random>
#include <string_view>

namespace dataflow::bench {
namespace {

constexpr std::size_t kPool = 8192;

// As JSON holds them; those beyond ASCII twice, as UTF-8 and with the escapes of an ASCII writer.
struct Word {
  std::string_view utf8;
  std::string_view ascii = utf8;
};
constexpr std::array<Word, 30> kWords = {{
    {"ultra"},
    {"soft"},
    {"cotton"},
    {"wireless"},
    {"bluetooth"},
    {"steel"},
    {"premium"},
    {"kids"},
    {"summer"},
    {"winter"},
    {"leather"},
    {"running"},
    {"classic"},
    {"portable"},
    {"adjustable"},
    {"waterproof"},
    {"cancelling"},
    {"compact"},
    {"vintage"},
    {"organic"},
    {"ergonomic"},
    {"café", "caf\\u00e9"},
    {"naïve", "na\\u00efve"},
    {"größe", "gr\\u00f6\\u00dfe"},
    {"漢字", "\\u6f22\\u5b57"},
    {"кофе", "\\u043a\\u043e\\u0444\\u0435"},
    {"emoji😀", "emoji\\ud83d\\ude00"},
    {R"(\"quoted\")"},
    {R"(back\\slash)"},
    {R"(tab\t)"},
}};

std::string words(std::mt19937_64& random, bool ascii, std::size_t least, std::size_t most) {
  std::string text;
  for (std::size_t left = least + random() % (most - least + 1); left > 0; --left) {
    const Word& word = kWords[random() % kWords.size()];
    text += ascii ? word.ascii : word.utf8;
    if (left > 1) text += ' ';
  }
  return text;
}

// A line behind its id.
std::string rest_of_line(std::mt19937_64& random, bool ascii) {
  char price[32];
  std::snprintf(price, sizeof price, "%.2f", 1 + static_cast<double>(random() % 199'900) / 100);
  char url[32];
  std::snprintf(url, sizeof url, "%08x", static_cast<unsigned>(random()));
  return ", \"title\": \"" + words(random, ascii, 3, 8) + "\", \"price\": " + price +
         ", \"category\": \"Home & Kitchen\", \"brand\": \"" +
         (ascii ? "\\u00dcr\\u00fcn" : "Ürün") + "\", \"url\": \"https://shop.example/p/" + url +
         "\", \"description\": \"" + words(random, ascii, 10, 60) + "\"}\n";
}

}  // namespace

ProductLines::ProductLines(std::uint64_t seed) : rests_(kPool) {
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < kPool; ++i) rests_[i] = rest_of_line(random, i % 3 == 0);
}

void ProductLines::append(std::uint64_t id, std::string& out) const {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, id).ptr;
  out += "{\"id\": ";
  out.append(digits, end);
  out += rests_[id % kPool];
}

}  // namespace dataflow::bench
