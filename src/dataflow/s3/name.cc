#include "dataflow/s3/name.h"

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

}  // namespace dataflow::s3
