// Lines of products made quickly, as those of generate.py in length, scripts and escapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dataflow::bench {

// The text of a product comes from a pool that is made at the start; what is left for a line is its
// id and copying. The same seed makes the same lines. Thread safe once made.
class ProductLines {
 public:
  explicit ProductLines(std::uint64_t seed);

  // The line of this id, with its newline, behind what `out` holds.
  void append(std::uint64_t id, std::string& out) const;

 private:
  std::vector<std::string> rests_;  // lines behind their ids
};

}  // namespace dataflow::bench
