// The objects that a source names (see FetchService). Blocking; used on the threads of
// FetchService.
#pragma once

#include <string>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::file {

// Names ascending in byte order, each once.
Result<std::vector<Object>> objects_of(const std::string& source);

}  // namespace dataflow::file
