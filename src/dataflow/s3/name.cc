#include "dataflow/s3/name.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstddef>

namespace dataflow::s3 {

namespace {

constexpr std::string_view kScheme = "s3://";
constexpr std::size_t kMaxBucketName = 63;

bool is_bucket_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool is_bucket_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxBucketName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_bucket_character);
}

bool matches_without_double_star(const std::string& pattern, const std::string& key) {
  return fnmatch(pattern.c_str(), key.c_str(), FNM_PATHNAME) == 0;
}

// The first "**" that no backslash makes literal.
std::size_t find_double_star(std::string_view pattern) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '*' && pattern[i + 1] == '*') {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Result<Name> parse_name(std::string_view text) {
  if (!text.starts_with(kScheme)) {
    return fail(ErrorCode::kInvalid,
                "\"" + std::string(text) + "\" is no S3 name: expected s3://bucket/key");
  }
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  const std::string_view bucket = rest.substr(0, slash);
  if (!is_bucket_name(bucket)) {
    return fail(ErrorCode::kInvalid, "\"" + std::string(text) + "\": \"" + std::string(bucket) +
                                         "\" is no name of an S3 bucket");
  }
  const std::string_view key =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  return Name{std::string(bucket), std::string(key)};
}

std::string to_name(std::string_view bucket, std::string_view key) {
  return std::string(kScheme).append(bucket).append("/").append(key);
}

bool is_pattern(std::string_view key) { return key.find_first_of("*?[") != std::string_view::npos; }

std::string_view literal_prefix(std::string_view pattern) {
  return pattern.substr(0, pattern.find_first_of("*?[\\"));
}

// fnmatch(3) knows no "**": what stands before it has to match a beginning of the key, what stands
// after it an end. Keys have at most 1,024 bytes, so trying every place is cheap.
bool matches(const std::string& pattern, const std::string& key) {
  const std::size_t star = find_double_star(pattern);
  if (star == std::string::npos) return matches_without_double_star(pattern, key);
  const std::string head = pattern.substr(0, star);
  std::size_t after = pattern.find_first_not_of('*', star);
  if (after == std::string::npos) after = pattern.size();
  // "a/**/b" matches "a/b" too: the slash belongs to the directories that "**" stands for.
  const bool directories =
      after < pattern.size() && pattern[after] == '/' && (head.empty() || head.ends_with('/'));
  const std::string tail = pattern.substr(directories ? after + 1 : after);
  for (std::size_t begin = 0; begin <= key.size(); ++begin) {
    if (!matches_without_double_star(head, key.substr(0, begin))) continue;
    for (std::size_t end = begin; end <= key.size(); ++end) {
      if (directories && end > begin && key[end - 1] != '/') continue;
      if (matches(tail, key.substr(end))) return true;
    }
  }
  return false;
}

}  // namespace dataflow::s3
