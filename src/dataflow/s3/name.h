// Names of S3 objects, "s3://bucket/key", and the patterns that stand for many of them.
//
// Pure functions. A key is any text; the pattern's special characters are * (any text without '/'),
// ** (any text; as a whole part between slashes also none), ?, [...] and \ before one of them.
#pragma once

#include <string>
#include <string_view>

#include "dataflow/error.h"

namespace dataflow::s3 {

struct Name {
  std::string bucket;
  std::string key;  // or a prefix, or a pattern; may be empty
};

// kInvalid: no "s3://", no bucket, or a bucket's name that S3 does not allow.
Result<Name> parse_name(std::string_view text);

std::string to_name(std::string_view bucket, std::string_view key);

bool is_pattern(std::string_view key);

// What stands before the first special character: every match begins with it.
std::string_view literal_prefix(std::string_view pattern);

bool matches(const std::string& pattern, const std::string& key);

}  // namespace dataflow::s3
