// Names of S3 objects, "s3://bucket/key". Pure functions. A key is any text.
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

}  // namespace dataflow::s3
