// Parser: makes products of lines of JSON, and says of every other line why it is none.
//
// The rules, equal to what a strict JSON parser and the domain say:
// - A line is one JSON object, whole and alone on its line (RFC 8259, UTF-8, no NaN, nesting to
// kMaxDepth levels, the object itself the first).
// - Unknown fields are ignored but must be well formed; of a repeated key the last value counts.
// - id: an integer, 0 to 2^63-1, written without fraction or exponent; required.
// - title: a string, not empty; required. category, brand, url, description: a string or null.
// - price: a number within the range of a double, or null.
// Blank lines (spaces, tabs, carriage returns) are no lines. A byte order mark is skipped at the
// beginning of an object only.
//
// Lines as most are take a fast way (plain_line.h), all others the general one; what a line becomes
// does not depend on the way.
//
// Not thread safe: one parser a thread. Cost: two passes over the text, one of them for UTF-8; a
// copy of the strings that have escapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "dataflow/pipeline/block.h"
#include "dataflow/pipeline/row.h"

namespace dataflow::pipeline {

inline constexpr int kMaxDepth = 1000;

// The reason why a line over the limit is rejected.
std::string too_long(std::size_t max_line_bytes);

class Parser {
 public:
  // The ways that lines take: the general one alone is for tests that compare both.
  enum class Ways { kAll, kGeneral };

  // Lines longer than `max_line_bytes` are rejected.
  explicit Parser(std::size_t max_line_bytes, Ways ways = Ways::kAll);
  ~Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Parses every line of the block. The rows' strings and the rejected lines' text point into the
  // block, or into the arena of what is returned.
  Rows parse(const Block& block);

 private:
  struct Implementation;

  const char* take_plain_line(const char* at, const char* end, std::uint64_t offset, Rows& out);
  const char* take_line(const char* at, const char* end, std::uint64_t number, std::uint64_t offset,
                        Rows& out);

  const std::size_t max_line_bytes_;
  const Ways ways_;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace dataflow::pipeline
