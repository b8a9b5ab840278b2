// Goal: whatever the bytes of an object, splitting and parsing them neither crashes nor depends on
// where reads and blocks end; every place is right; and another JSON parser agrees about each line.
//
// Input: two bytes of settings, then the object.
#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/pipeline/inflate.h"
#include "dataflow/pipeline/parser.h"
#include "dataflow/pipeline/splitter.h"
#include "fuzz/memory_reader.h"
#include "fuzz/support.h"

namespace dataflow::pipeline {
namespace {

using fuzz::check;
using nlohmann::json;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// What a line became: the reason of its rejection, or its product (equal content, equal text).
struct Outcome {
  std::uint64_t line = 0;
  std::string text;    // of a rejected line
  std::string reason;  // empty: a product
  std::string product;
  Fingerprint fingerprint{};
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

using Outcomes = std::map<std::uint64_t, Outcome>;  // by the line's first byte

std::string product_text(const ProductView& product) {
  std::string out = std::to_string(product.id);
  const auto add = [&out](const std::optional<std::string_view>& text) {
    out += text ? " " + std::to_string(text->size()) + ":" + std::string(*text) : " null";
  };
  add(product.title);
  char price[64];
  std::snprintf(price, sizeof price, "%a", product.price.value_or(0));
  out += product.price ? " " + std::string(price) : " null";
  for (const auto& text : {product.category, product.brand, product.url, product.description}) {
    add(text);
  }
  return out;
}

void take(const Rows& rows, Outcomes& out) {
  for (const Row& row : rows.rows) {
    const bool fresh =
        out.emplace(row.offset, Outcome{0, {}, {}, product_text(row.product), row.fingerprint})
            .second;
    check(fresh, "a line becomes one thing");
    check(!row.product.title.empty(), "a product has a title");
  }
  for (const RejectedLine& line : rows.rejected) {
    const bool fresh =
        out.emplace(line.byte, Outcome{line.line, std::string(line.text), line.reason, {}, {}})
            .second;
    check(fresh, "a line becomes one thing");
    check(!line.reason.empty(), "a rejected line has a reason");
  }
}

// The whole object in one block: what everything else is compared with.
Outcomes parse_at_once(std::string_view bytes, std::size_t max_line_bytes) {
  Block block{std::make_unique<char[]>(bytes.size() + kBlockPadding), bytes.size(), 1, 0};
  std::copy(bytes.begin(), bytes.end(), block.memory.get());
  Parser parser(max_line_bytes);
  Outcomes out;
  take(parser.parse(block), out);
  return out;
}

Task<Result<Outcomes>> parse_in_blocks(std::unique_ptr<Reader> reader, SplitterOptions options) {
  Splitter splitter(std::move(reader), options);
  Parser parser(options.max_line_bytes);
  Outcomes out;
  std::string long_line;
  while (true) {
    auto step = co_await splitter.next();
    if (!step) co_return std::unexpected(std::move(step.error()));
    if (std::holds_alternative<EndOfObject>(*step)) break;
    if (auto* piece = std::get_if<LongLinePiece>(&*step)) {
      long_line += piece->text;
      check(piece->text.size() <= options.max_line_bytes + 2 * options.block_bytes,
            "a line over the limit is never held");
      if (!piece->last) continue;
      out.emplace(
          piece->byte,
          Outcome{
              piece->line, std::exchange(long_line, {}), too_long(options.max_line_bytes), {}, {}});
      continue;
    }
    take(parser.parse(std::get<Block>(*step)), out);
  }
  check(long_line.empty(), "the last piece of a line is told");
  co_return out;
}

bool same_text(const json& object, const char* key, const std::optional<std::string_view>& text) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return !text;
  return found->is_string() && text == found->get_ref<const std::string&>();
}

void check_product(const json& object, std::string_view line) {
  check(object.is_object(), "what is accepted is an object", line);
  Parser parser(line.size() + 1);
  Block block{std::make_unique<char[]>(line.size() + kBlockPadding), line.size(), 1, 1};
  std::copy(line.begin(), line.end(), block.memory.get());
  const Rows rows = parser.parse(block);
  check(rows.rows.size() == 1, "a line alone is accepted as before", line);
  const ProductView& product = rows.rows.front().product;
  check(object.at("id").is_number_integer() && object.at("id").get<std::int64_t>() == product.id,
        "the id is the other parser's", line);
  check(same_text(object, "title", product.title), "the title is", line);
  check(same_text(object, "category", product.category), "the category is", line);
  check(same_text(object, "brand", product.brand), "the brand is", line);
  check(same_text(object, "url", product.url), "the url is", line);
  check(same_text(object, "description", product.description), "the description is", line);
  const auto price = object.find("price");
  const bool has_price = price != object.end() && !price->is_null();
  check(has_price == product.price.has_value(), "the price is there", line);
  if (has_price) check(price->get<double>() == *product.price, "the price is", line);
}

void compare_with_the_other_parser(std::string_view line, const Outcome& ours, bool first) {
  if (first && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.starts_with(kByteOrderMark)) return;  // the other one skips it everywhere
  if (line.contains('\0')) return;               // where the other one stops reading
  json theirs;
  try {
    theirs = json::parse(line);
  } catch (const json::out_of_range&) {
    return;  // a number that no double holds, which matters in the price only
  } catch (const json::parse_error&) {
    check(!ours.reason.empty(), "what is accepted is JSON", line);
    return;
  }
  if (ours.reason.empty()) return check_product(theirs, line);
  check(!ours.reason.starts_with("not well-formed"), ours.reason.c_str(), line);
  check(!ours.reason.contains("UTF-8"), ours.reason.c_str(), line);
  check(!ours.reason.contains("not a JSON object") || !theirs.is_object(), "an object is one",
        line);
}

// Each line apart, found with nothing but newlines.
void check_lines(std::string_view bytes, const Outcomes& outcomes) {
  std::uint64_t number = 1;
  std::size_t seen = 0;
  for (std::size_t at = 0; at < bytes.size(); ++number) {
    const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string_view line = bytes.substr(at, end - at);
    if (const auto found = outcomes.find(at); found != outcomes.end()) {
      ++seen;
      const Outcome& outcome = found->second;
      if (!outcome.reason.empty()) {
        check(outcome.line == number, "the line's number is right", line);
        check(outcome.text == line, "the line is kept as it was", line);
      }
      compare_with_the_other_parser(line, outcome, at == 0);
    } else {
      std::string_view rest = line;
      if (at == 0 && rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
      check(rest.find_first_not_of(" \t\r") == std::string_view::npos, "no line is passed over",
            line);
    }
    at = end + 1;
  }
  check(seen == outcomes.size(), "there is no line that is not there");
}

void run_plain(std::string_view bytes, const SplitterOptions& options, std::size_t piece) {
  const Outcomes at_once = parse_at_once(bytes, options.max_line_bytes);
  const auto in_blocks =
      fuzz::run(parse_in_blocks(std::make_unique<fuzz::MemoryReader>(bytes, piece), options));
  check(in_blocks.has_value(), "bytes in memory can be read");
  Outcomes comparable = *in_blocks;
  check(comparable == at_once, "where reads and blocks end does not matter", bytes);
  if (options.max_line_bytes >= bytes.size()) check_lines(bytes, at_once);
}

// Compressed bytes: damaged or not, they end.
void run_compressed(std::string_view bytes, SplitterOptions options, std::size_t piece,
                    std::string_view name) {
  options.max_line_bytes = 1 << 20;
  options.block_bytes = 64 * 1024;
  auto reader = inflate(std::make_unique<fuzz::MemoryReader>(bytes, piece), name, 16 << 20);
  const auto out = fuzz::run(parse_in_blocks(std::move(reader), options));
  check(out || out.error().code == ErrorCode::kInvalid, "a damaged stream is told as one");
}

}  // namespace
}  // namespace dataflow::pipeline

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dataflow::pipeline;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  SplitterOptions options;
  options.block_bytes = std::size_t{16} << (data[0] & 7);
  options.max_line_bytes = (data[0] & 8) != 0 ? 64 : 1 << 20;
  options.eager = (data[0] & 16) != 0;
  if ((data[0] & 32) != 0) options.expected_bytes = bytes.size();
  const std::size_t piece = std::size_t{1} + (data[1] & 63);
  switch (data[1] >> 6) {
    case 0:
      run_compressed(bytes, options, piece, "x.gz");
      break;
    case 1:
      run_compressed(bytes, options, piece, "x.zst");
      break;
    default:
      run_plain(bytes, options, piece);
  }
  return 0;
}
