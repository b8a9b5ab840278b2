// The files that a source names. Blocking; used on the threads of FetchService.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::file {

// Whether a folder's file of this name (without its path) is taken for product lines.
bool is_product_file(std::string_view name);

// What is there under this path now: a file with size and version, or a stream. kNotFound,
// kUnauthorized, kInvalid for a folder.
Result<Object> object_at(const std::string& path);

// All objects of a source, see FetchService; names ascending in byte order.
Result<std::vector<Object>> objects_of(const std::string& source);

// The error of a failed system call on `path`, with errno `number`. `what`: "read", "open", ...
Error system_error(int number, std::string_view what, const std::string& path);

}  // namespace dataflow::file
