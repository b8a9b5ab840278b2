// Patterns that stand for many keys: * (any text without '/'), ** (any text; as a whole part
// between slashes also none), ? (one character that is no '/'), [...] (one of some characters, with
// ranges and classes like [:digit:]; ! or ^ in front: one that is none of them; never '/') and \ in
// front of one of them to mean itself. A '[' without its ']' means itself.
//
// Bytes, not characters of a locale. Pure functions; a match takes time proportional to the
// pattern's length times the key's, whatever they are.
#pragma once

#include <string_view>

namespace dataflow::s3 {

bool is_pattern(std::string_view key);

// What stands before the first special character: every match begins with it.
std::string_view literal_prefix(std::string_view pattern);

bool matches(std::string_view pattern, std::string_view key);

}  // namespace dataflow::s3
