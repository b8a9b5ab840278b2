// Finds what somebody may have meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace dataflow::cmd {

// The candidate nearest to `word` in edits (a letter added, dropped, replaced or two swapped), if
// it is near enough to be a slip: a third of the word, at least one edit and at most three.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

// "; did you mean X?", or nothing.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace dataflow::cmd
