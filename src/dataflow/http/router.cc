#include "dataflow/http/router.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace dataflow::http {
namespace {

using boost::beast::http::verb;

constexpr std::string_view kNotAPath = "The request's target is not a path.";
constexpr std::string_view kBadEncoding =
    "The path has a percent sign that two hexadecimal digits do not follow.";
constexpr std::string_view kNoSuchPath = "There is nothing here; products are at /product/:id.";
constexpr std::string_view kNotAllowed = "Products can be read here, with GET and HEAD.";
constexpr std::string_view kNotDigits =
    "A product id is written in decimal digits, 0 to 9223372036854775807.";
constexpr std::string_view kLeadingZero = "A product id has no leading zeros.";
constexpr std::string_view kTooLarge = "The largest product id is 9223372036854775807.";

Route problem(Status status, std::string_view detail) {
  return {Route::Kind::kProblem, 0, status, detail};
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return text.size() >= prefix.size() &&
         std::ranges::equal(text.substr(0, prefix.size()), prefix, {}, lower);
}

// The path of a target, nothing where it has none.
std::optional<std::string_view> path_of(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (target.starts_with('/')) return target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_ignoring_case(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t slash = target.find('/');
    if (slash == 0 || target.empty()) return std::nullopt;  // no authority
    return slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  return std::nullopt;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// The segment decoded; `storage` is used where it has something to decode.
std::optional<std::string_view> decoded(std::string_view segment, std::string& storage) {
  if (segment.find('%') == std::string_view::npos) return segment;
  storage.clear();
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      storage += segment[i];
      continue;
    }
    if (i + 2 >= segment.size()) return std::nullopt;
    const auto high = hex_digit(segment[i + 1]);
    const auto low = hex_digit(segment[i + 2]);
    if (!high || !low) return std::nullopt;
    storage += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return storage;
}

// Why the text is no id, nothing where it is one.
std::optional<std::string_view> read_id(std::string_view text, ProductId& id) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return kNotDigits;
  if (text.size() > 1 && text[0] == '0') return kLeadingZero;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (parsed.ec != std::errc()) return kTooLarge;
  return std::nullopt;
}

}  // namespace

Route route(verb method, std::string_view target) {
  if (method == verb::options && target == "*") return {Route::Kind::kOptions, 0, 204, {}};
  const auto path = path_of(target);
  if (!path) return problem(400, kNotAPath);
  const std::string_view rest = path->substr(1);
  const std::size_t slash = rest.find('/');
  const std::string_view second =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  std::string first_storage;
  std::string second_storage;
  const auto folder = decoded(rest.substr(0, slash), first_storage);
  const auto name = decoded(second, second_storage);
  if (!folder || !name) return problem(400, kBadEncoding);
  if (*folder != "product" || second.empty() || second.find('/') != std::string_view::npos) {
    return problem(404, kNoSuchPath);
  }
  if (method == verb::options) return {Route::Kind::kOptions, 0, 204, {}};
  if (method != verb::get && method != verb::head) return problem(405, kNotAllowed);
  ProductId id = 0;
  if (const auto wrong = read_id(*name, id)) return problem(status_of(ErrorCode::kInvalid), *wrong);
  return {Route::Kind::kProduct, id, 200, {}};
}

}  // namespace dataflow::http
