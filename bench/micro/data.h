// What the microbenchmarks work on: some megabytes of products, made once.
#pragma once

#include <string>
#include <vector>

#include "dataflow/pipeline/block.h"
#include "dataflow/pipeline/row.h"
#include "dataflow/product.h"

namespace dataflow::bench {

// About 16 MB of lines.
const std::string& text();

// The same as one block, and what the parser makes of it.
struct Parsed {
  pipeline::Block block;
  pipeline::Rows rows;
  std::vector<ProductView> products;
};
const Parsed& parsed();

}  // namespace dataflow::bench
