// Paths: what is there under one, its name, its version, and the errors of system calls on it.
//
// Blocking; used on the threads of FetchService.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::file {

inline constexpr std::string_view kStandardInput = "-";

// Whether a folder's file of this name (without its path) is taken for product lines: .jsonl,
// .ndjson or .json in any case, also with .gz or .zst behind, and no dot in front.
bool is_product_file(std::string_view name);

// The one name of what `path` leads to: absolute, its folder without links, "." and "..". What is
// no regular file keeps its links: "/dev/stdin" leads elsewhere in each process.
std::string name_of(const std::string& path, bool regular);

// The object under this name. A regular file has size and version (modification time in nanoseconds
// and size), all else is a stream that has neither.
Object object_of(std::string name, const struct stat& status);

// What is there now. kNotFound, kUnauthorized, kInvalid for a folder or a socket.
Result<Object> object_at(const std::string& path);

// The error of a failed system call with errno `number`. `what`: "read", "open", ...
Error system_error(int number, std::string_view what, const std::string& path);

}  // namespace dataflow::file
