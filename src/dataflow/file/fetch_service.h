// FetchService: local files, folders, globs and standard input.
//
// Sources:
// - A path that exists, whatever characters it has. A file of any name; a folder stands for the
//   files in it and below it whose names end in .jsonl, .ndjson or .json, also with .gz or .zst
//   behind, and do not begin with a dot (nor do their folders'). A file with FILE.reasons beside it
//   is what a run rejected: it is read when it is named itself. Links are followed, a folder is
//   entered once. A link to nowhere with such a name, or one that a pattern matches, is an error,
//   as is a folder that may not be read: none is left out in silence.
// - A pattern with *, ? or [...] (glob(7); a backslash takes the next character as it is) or with
//   ** as a whole part between slashes (any folders, also none): every file that it matches. A
//   folder that it matches stands for what is in it, unless the pattern has a **. Names with a dot
//   in front are matched by a pattern with one.
// - "-": standard input. Pipes and devices are read as streams, too: no size, no version, always
//   read.
//
// Objects are named by their absolute path with the links in its folders resolved, so that a file
// has one name however it is spelt; the file itself may be a link. Two versions differ in
// modification time (to the nanosecond) or size. A file that changes while it is read is
// kConflict; one that is replaced by another of its name is read to its end. Errors name the path:
// kNotFound, kUnauthorized where permission is missing, kInvalid for what cannot be read at all.
//
// System calls that may block are made on threads of this object, never on the caller's executor.
// Listings and readers may outlive it; reads of streams that still wait when it is destroyed end
// with kUnavailable.
#pragma once

#include <memory>

#include "dataflow/fetch.h"
#include "dataflow/file/options.h"

namespace dataflow::file {

struct Threads;

class FetchService final : public dataflow::Fetch {
 public:
  explicit FetchService(Options options = {});
  ~FetchService() override;

  Task<Result<std::unique_ptr<dataflow::Listing>>> list(std::string_view source) override;
  Task<Result<Object>> stat(std::string_view name) override;
  Task<Result<std::unique_ptr<dataflow::Reader>>> open(const Object& object) override;

 private:
  const std::shared_ptr<Threads> threads_;
};

}  // namespace dataflow::file
