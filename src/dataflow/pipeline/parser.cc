#include "dataflow/pipeline/parser.h"

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "dataflow/pipeline/fields.h"
#include "dataflow/pipeline/plain_line.h"

namespace dataflow::pipeline {

namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

static_assert(kBlockPadding >= simdjson::SIMDJSON_PADDING);

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// A parser that has seen a line this long is replaced, to give its buffers back.
constexpr std::size_t kLargeLineBytes = std::size_t{1} << 20;

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (is_space(text.back()) || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

// Whether `token` is a number in JSON's grammar (RFC 8259, section 6). A number whose value does
// not matter is judged by its form alone: 1e400 is one.
bool is_json_number(std::string_view token) {
  std::size_t at = 0;
  auto digits = [&] {
    const std::size_t begin = at;
    while (at < token.size() && is_digit(token[at])) ++at;
    return at - begin;
  };
  if (at < token.size() && token[at] == '-') ++at;
  const std::size_t whole = at;
  const std::size_t count = digits();
  if (count == 0 || (count > 1 && token[whole] == '0')) return false;
  if (at < token.size() && token[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == token.size();
}

error_code skip(ondemand::value value, int depth);

error_code skip_object(ondemand::object object, int depth) {
  for (auto field : object) {
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    ondemand::value inner;
    if (auto error = field.value().get(inner)) return error;
    if (auto error = skip(inner, depth + 1)) return error;
  }
  return simdjson::SUCCESS;
}

error_code skip_array(ondemand::array array, int depth) {
  for (auto element : array) {
    ondemand::value inner;
    if (auto error = element.get(inner)) return error;
    if (auto error = skip(inner, depth + 1)) return error;
  }
  return simdjson::SUCCESS;
}

error_code read_null(ondemand::value value) {
  bool null = false;
  if (auto error = value.is_null().get(null)) return error;
  return null ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
}

// Walks over a value that does not matter and checks that it is well formed: On-Demand itself does
// not look at what nobody asks for.
error_code skip(ondemand::value value, int depth) {
  ondemand::json_type type;
  if (auto error = value.type().get(type)) return error;
  const bool nests = type == ondemand::json_type::object || type == ondemand::json_type::array;
  if (nests && depth >= kMaxDepth) return simdjson::DEPTH_ERROR;
  switch (type) {
    case ondemand::json_type::object: {
      ondemand::object object;
      if (auto error = value.get_object().get(object)) return error;
      return skip_object(object, depth);
    }
    case ondemand::json_type::array: {
      ondemand::array array;
      if (auto error = value.get_array().get(array)) return error;
      return skip_array(array, depth);
    }
    case ondemand::json_type::string: {
      std::string_view ignored;
      return value.get_string().get(ignored);
    }
    case ondemand::json_type::number: {
      const std::string_view token = trimmed(value.raw_json_token());
      if (!is_json_number(token)) return simdjson::NUMBER_ERROR;
      // A value that was looked at but not taken is stepped over by the iteration itself.
      return simdjson::SUCCESS;
    }
    case ondemand::json_type::boolean: {
      bool ignored = false;
      return value.get_bool().get(ignored);
    }
    case ondemand::json_type::null:
      return read_null(value);
  }
  return simdjson::TAPE_ERROR;
}

constexpr std::array<const char*, kColumns> kWrongType = {
    "id is not an integer",       "title is not a string", "price is not a number",
    "category is not a string",   "brand is not a string", "url is not a string",
    "description is not a string"};

const char* read_id(std::string_view token, ProductId& id) {
  const bool negative = token.starts_with('-');
  for (char c : token.substr(negative ? 1 : 0)) {
    if (!is_digit(c)) return "id has a fraction or an exponent; it must be an integer";
  }
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), id);
  if (negative && (error != std::errc() || id < 0)) return "id is negative";
  if (error != std::errc()) return "id is larger than 9223372036854775807";
  return nullptr;
}

// The nearest double to a number in JSON's grammar; nothing where none is near. (On-Demand of
// simdjson 3.0.1 loses digits after the nineteenth, and what they stand for.)
std::optional<double> read_double(std::string_view token) {
  double number = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (error == std::errc()) return number;
  // Too large, or so small that it is none or nearly none: from_chars does not say which.
  number = std::strtod(std::string(token).c_str(), nullptr);
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

error_code read_number(ondemand::value value, Column column, Fields& fields) {
  const std::string_view token = trimmed(value.raw_json_token());
  if (!is_json_number(token)) return simdjson::NUMBER_ERROR;
  if (column == kId) {
    fields.wrong[kId] = read_id(token, fields.id);
  } else if (column == kPrice) {
    const auto number = read_double(token);
    fields.price = number.value_or(0);
    fields.wrong[kPrice] = number ? nullptr : "price is out of the range of a double";
  } else {
    fields.wrong[column] = kWrongType[column];
  }
  fields.present[column] = fields.wrong[column] == nullptr;
  return simdjson::SUCCESS;
}

error_code read_field(ondemand::value value, Column column, Fields& fields) {
  ondemand::json_type type;
  if (auto error = value.type().get(type)) return error;
  fields.wrong[column] = nullptr;
  fields.present[column] = false;
  if (type == ondemand::json_type::number) return read_number(value, column, fields);
  if (type == ondemand::json_type::null) return skip(value, 1);
  if (type != ondemand::json_type::string || column == kId || column == kPrice) {
    fields.wrong[column] = kWrongType[column];
    return skip(value, 1);
  }
  if (auto error = value.get_string().get(fields.text[column])) return error;
  fields.present[column] = true;
  return simdjson::SUCCESS;
}

const char* why_not(const Fields& fields) {
  for (const char* wrong : fields.wrong) {
    if (wrong != nullptr) return wrong;
  }
  if (!fields.present[kId]) return "id is missing";
  if (!fields.present[kTitle]) return "title is missing";
  if (fields.text[kTitle].empty()) return "title is empty";
  return nullptr;
}

// Strings of the simdjson parser are valid up to its next line: those that count are kept.
void keep_strings(Fields& fields, Arena& arena) {
  for (std::size_t i = 0; i < kColumns; ++i) {
    std::string_view& text = fields.text[i];
    if (!fields.present[i]) continue;
    if (text.empty()) {
      text = "";  // what it points to may go, too
      continue;
    }
    std::memcpy(arena.next(), text.data(), text.size());
    text = arena.keep(text.size());
  }
}

std::string explain(error_code error, std::string_view line, const char* location) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return "the line is not valid UTF-8";
    case simdjson::DEPTH_ERROR:
      return "nested deeper than " + std::to_string(kMaxDepth) + " levels";
    case simdjson::INCORRECT_TYPE:
      return "not well-formed JSON: a value that is neither string, number, true, false nor null";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return "not well-formed JSON: the line ends before its object does, or has brackets too many";
    default:
      break;
  }
  std::string reason = "not well-formed JSON: ";
  reason += simdjson::error_message(error);
  while (reason.ends_with('.')) reason.pop_back();
  if (location >= line.data() && location < line.data() + line.size()) {
    reason += " (near column " + std::to_string(location - line.data() + 1) + ")";
  }
  return reason;
}

}  // namespace

std::string too_long(std::size_t max_line_bytes) {
  return "the line is longer than the limit of " + std::to_string(max_line_bytes) + " bytes";
}

struct Parser::Implementation {
  ondemand::parser parser;
  RowMaker maker;

  // Parses one line into a row of `out`; returns the reason why it is none, or an empty string.
  std::string parse(std::string_view line, std::size_t readable, std::uint64_t offset, Rows& out) {
    ondemand::document document;
    if (auto error = parser.iterate(line.data(), line.size(), readable).get(document)) {
      return explain(error, line, nullptr);
    }
    ondemand::json_type type;
    if (document.type().get(type) || type != ondemand::json_type::object) {
      return "the line is not a JSON object";
    }
    Fields fields;
    if (auto error = read_object(document, fields)) {
      const char* location = nullptr;
      if (document.current_location().get(location)) location = nullptr;
      return explain(error, line, location);
    }
    if (const char* reason = why_not(fields)) return reason;
    keep_strings(fields, out.arena);
    out.rows.push_back(maker.make(fields, offset));
    return {};
  }

  static error_code read_object(ondemand::document& document, Fields& fields) {
    ondemand::object object;
    if (auto error = document.get_object().get(object)) return error;
    for (auto field : object) {
      std::string_view key;
      if (auto error = field.unescaped_key().get(key)) return error;
      const Column column = column_of(key);
      ondemand::value value;
      if (auto error = field.value().get(value)) return error;
      if (auto error = column == kColumns ? skip(value, 1) : read_field(value, column, fields)) {
        return error;
      }
    }
    // Behind a whole document there is no location any more.
    const char* location = nullptr;
    return document.current_location().get(location) == simdjson::OUT_OF_BOUNDS
               ? simdjson::SUCCESS
               : simdjson::TRAILING_CONTENT;
  }
};

Parser::Parser(std::size_t max_line_bytes, Ways ways)
    : max_line_bytes_(max_line_bytes),
      ways_(ways),
      implementation_(std::make_unique<Implementation>()) {}
Parser::~Parser() = default;

// The end of the line at `at`, which then is a row of `out`; null where it is not a plain one.
const char* Parser::take_plain_line(const char* at, const char* end, std::uint64_t offset,
                                    Rows& out) {
  Fields fields;
  const std::size_t used = out.arena.used();
  const char* const line_end = read_plain_line(at, end, out.arena, fields);
  if (line_end == nullptr || static_cast<std::size_t>(line_end - at) > max_line_bytes_) {
    out.arena.rewind(used);
    return nullptr;
  }
  out.rows.push_back(implementation_->maker.make(fields, offset));
  ++out.lines;
  return line_end;
}

// The end of the line at `at`, which then is a row or a rejected line of `out`, or is blank.
const char* Parser::take_line(const char* at, const char* end, std::uint64_t number,
                              std::uint64_t offset, Rows& out) {
  const auto* newline =
      static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
  const char* const line_end = newline != nullptr ? newline : end;
  const std::string_view line(at, static_cast<std::size_t>(line_end - at));
  std::string_view json = line;
  if (offset == 0 && json.starts_with(kByteOrderMark)) json.remove_prefix(kByteOrderMark.size());
  std::size_t blank = 0;
  while (blank < json.size() && is_space(json[blank])) ++blank;
  // Over the limit even spaces are a line: the splitter hands it over without looking.
  if (blank == json.size() && line.size() <= max_line_bytes_) return line_end;
  ++out.lines;
  const auto readable = static_cast<std::size_t>(end - json.data()) + kBlockPadding;
  std::string reason = line.size() > max_line_bytes_
                           ? too_long(max_line_bytes_)
                           : implementation_->parse(json, readable, offset, out);
  if (!reason.empty()) out.rejected.push_back({number, offset, line, std::move(reason)});
  if (json.size() > kLargeLineBytes) implementation_ = std::make_unique<Implementation>();
  return line_end;
}

Rows Parser::parse(const Block& block) {
  Rows out;
  out.arena = Arena(block.size);
  out.rows.reserve(block.size / 256 + 1);
  // Newlines cut no character in two: the lines of valid text are valid.
  const bool plain = ways_ == Ways::kAll && simdjson::validate_utf8(block.memory.get(), block.size);
  const char* const end = block.memory.get() + block.size;
  std::uint64_t line_number = block.first_line;
  for (const char* at = block.memory.get(); at < end; ++at, ++line_number) {
    const std::uint64_t offset =
        block.first_byte + static_cast<std::uint64_t>(at - block.memory.get());
    const char* line_end = plain ? take_plain_line(at, end, offset, out) : nullptr;
    if (line_end == nullptr) line_end = take_line(at, end, line_number, offset, out);
    at = line_end;
  }
  return out;
}

}  // namespace dataflow::pipeline
