// The readers of this folder. For its .cc files only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dataflow/fetch.h"
#include "dataflow/file/threads.h"

namespace dataflow::file {

// What open_object() found: a file with size and version, or a stream without.
struct OpenObject {
  Descriptor descriptor;
  Object object;
};

// Opens exactly the version given. Blocking, but never for long: a pipe without a writer is opened,
// too.
Result<OpenObject> open_object(const Object& object);

// One version of a regular file, read straight into its caller's buffer. After the last byte the
// file has to be what it was when it was opened.
class FileReader final : public dataflow::Reader {
 public:
  FileReader(std::shared_ptr<Threads> threads, OpenObject opened);

  Task<Result<std::size_t>> read(std::span<char> buffer) override;

 private:
  static Result<std::size_t> read_at(const OpenObject& file, std::uint64_t offset,
                                     std::span<char> buffer);

  const std::shared_ptr<Threads> threads_;
  const OpenObject file_;
  std::uint64_t delivered_ = 0;  // bytes given to the caller
  std::optional<Error> failed_;
};

// Standard input, a pipe or a device. Has a thread of its own, because it may wait for ever; ends
// with kUnavailable when the service goes meanwhile.
class StreamReader final : public dataflow::Reader {
 public:
  StreamReader(std::shared_ptr<Threads> threads, OpenObject opened);

  Task<Result<std::size_t>> read(std::span<char> buffer) override;

 private:
  const std::shared_ptr<Threads> threads_;
  const OpenObject stream_;
  ThreadPool thread_{1};
};

}  // namespace dataflow::file
