#include "micro/data.h"

#include <cstdlib>
#include <cstring>
#include <memory>

#include "dataflow/pipeline/parser.h"
#include "products.h"

namespace dataflow::bench {
namespace {

constexpr std::size_t kBytes = std::size_t{16} << 20;
constexpr std::uint64_t kSeed = 7;

std::string make_text() {
  const ProductLines lines(kSeed);
  std::string text;
  for (std::uint64_t id = 1; text.size() < kBytes; ++id) lines.append(id, text);
  return text;
}

Parsed make_parsed() {
  Parsed made;
  made.block.size = text().size();
  made.block.memory = std::make_unique<char[]>(text().size() + pipeline::kBlockPadding);
  std::memcpy(made.block.memory.get(), text().data(), text().size());
  pipeline::Parser parser(text().size());
  made.rows = parser.parse(made.block);
  if (!made.rows.rejected.empty()) std::abort();  // the generator's mistake
  for (const pipeline::Row& row : made.rows.rows) made.products.push_back(row.product);
  return made;
}

}  // namespace

const std::string& text() {
  static const std::string made = make_text();
  return made;
}

const Parsed& parsed() {
  static const Parsed made = make_parsed();
  return made;
}

}  // namespace dataflow::bench
