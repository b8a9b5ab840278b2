// The parts of a load, as the configuration says: where products are kept, who remembers what is
// there, who fetches.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cmd/job/arguments.h"
#include "dataflow/cache.h"
#include "dataflow/error.h"
#include "dataflow/pipeline/pipeline.h"
#include "dataflow/product_service.h"

namespace dataflow::cmd {

struct Parts {
  std::unique_ptr<ProductService> store;
  std::unique_ptr<Cache> cache;  // null: none is asked
  std::vector<pipeline::Source> sources;
  pipeline::Claims::MakeSpill make_spill;
};

// Opens and connects what the arguments ask for. The cache is connected by the pipeline: it may
// fail.
Task<Result<Parts>> make_parts(const JobArguments& arguments);

}  // namespace dataflow::cmd
