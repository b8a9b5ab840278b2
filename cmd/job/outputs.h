// Outputs: whether what a run is to write can be told apart, from each other and from what it
// reads.
#pragma once

#include <vector>

#include "cmd/job/arguments.h"
#include "dataflow/error.h"
#include "dataflow/pipeline/listing.h"
#include "dataflow/task.h"

namespace dataflow::cmd {

// To be asked before anything is read: kInvalid where two of report, rejects and their reasons are
// one file, so that one would replace the other, and where the report is a file that is to be
// loaded. (Rejects may be: see pipeline/rejects.h.) `sources` are listed for it where the report is
// there already; one that cannot be is passed over, the run will tell it.
Task<Result<void>> check_outputs(const JobArguments& arguments,
                                 std::vector<pipeline::Source> sources);

}  // namespace dataflow::cmd
