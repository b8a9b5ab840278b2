// The readers of this folder. For its .cc files only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "dataflow/fetch.h"
#include "dataflow/file/options.h"
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

// One version of a regular file, a piece ahead of its caller. After the last byte the file has to
// be what it was when it was opened. Pieces that are under way when the reader is destroyed finish
// by themselves.
class FileReader final : public dataflow::Reader {
 public:
  FileReader(std::shared_ptr<Threads> threads, OpenObject opened, const Options& options);

  Task<Result<std::size_t>> read(std::span<char> buffer) override;

 private:
  struct Piece {
    std::unique_ptr<char[]> bytes;
    std::size_t length = 0;
  };

  void begin_piece(std::unique_ptr<char[]> bytes);
  static Result<Piece> read_piece(const OpenObject& file, std::uint64_t offset, Piece piece);

  const std::shared_ptr<Threads> threads_;
  const std::shared_ptr<const OpenObject> file_;
  const std::uint64_t size_;
  const std::size_t piece_bytes_;
  std::uint64_t begun_ = 0;      // bytes asked for
  std::uint64_t delivered_ = 0;  // bytes given to the caller
  Piece piece_;
  std::size_t piece_delivered_ = 0;
  std::optional<PendingCall<Result<Piece>>> next_;
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
