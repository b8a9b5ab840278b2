// FetchService: local files, folders, globs and standard input.
//
// Sources:
// - a path that exists: a file of any name; a folder stands for the files in it and in its folders
// whose names end
//   in .jsonl, .ndjson or .json, also with .gz or .zst behind, and do not begin with a dot. Links
//   are followed, a folder is entered once.
// - a pattern with *, ? or [ (glob(7)): the files that it matches; folders that it matches are left
// out.
// - "-": standard input. Pipes and devices are read as streams as well: without size and version,
// always read.
//
// Objects are named by their absolute path, and known to be the same by size and modification time
// to the nanosecond. A file that changes while it is read is kConflict. System calls that may block
// are made on threads of this object, never on the caller's executor. Errors name the path;
// kUnauthorized where permission is missing. Listings and readers share what they need of the
// service and may outlive it.
#pragma once

#include <memory>
#include <string_view>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::file {

struct Threads;  // those of fetch_service.cc

class FetchService final : public dataflow::Fetch {
 public:
  FetchService();
  ~FetchService() override;

  Task<Result<std::unique_ptr<dataflow::Listing>>> list(std::string_view source) override;
  Task<Result<Object>> stat(std::string_view name) override;
  Task<Result<std::unique_ptr<dataflow::Reader>>> open(const Object& object) override;

 private:
  std::shared_ptr<Threads> threads_;
};

}  // namespace dataflow::file
