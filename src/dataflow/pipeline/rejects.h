// Rejects: keeps the lines that are no products, so that they can be mended and loaded.
//
// FILE has the lines as they were, one after another: a source for a later run. FILE.reasons has
// one JSON object a line for each: {"source":..., "line":..., "byte":..., "reason":...}. Both are
// written beside themselves (FILE.part) and take their names when the run is over, so that a run
// may read the rejects of the one before; without a rejected line nothing is created and what is
// there stays. Thread safe. Errors: kUnavailable where the files cannot be written (disk full, no
// such folder, no permission), kInvalid where the lines would take more than they may.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/error.h"

namespace dataflow::pipeline {

class Rejects {
 public:
  // All lines together may have `max_bytes`.
  explicit Rejects(std::string path,
                   std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max());
  ~Rejects();
  Rejects(const Rejects&) = delete;
  Rejects& operator=(const Rejects&) = delete;

  struct Line {
    std::string_view source;   // the object's name
    std::uint64_t object = 0;  // its place in the run
    std::uint64_t line = 0;
    std::uint64_t byte = 0;
    std::string_view reason;
  };

  Result<void> add(const Line& line, std::string_view text);

  // A line that comes in pieces: one such line an object at a time; finished by the piece with
  // `last`.
  Result<void> add_piece(const Line& line, std::string_view piece, bool last);

  // Forgets what was added for an object since it was begun: it is read again from the beginning.
  void discard(std::uint64_t object);

  // What was added for the object stays.
  void keep(std::uint64_t object);

  // Gives the files their names. To be called once, at the end. Returns whether there are any.
  Result<bool> finish();

 private:
  class File;
  struct Extent {
    std::uint64_t begin = 0, end = 0;
  };
  struct Extents {
    std::vector<Extent> lines, reasons;
  };

  Result<void> open();
  Result<void> take_room(std::size_t bytes);
  Result<void> append(const Line& line, std::string_view text);
  Result<void> append_reason(const Line& line);
  Result<void> append_spool(const Line& line, File& spool);
  static void note(std::vector<Extent>& extents, std::uint64_t begin, std::uint64_t end);

  const std::string path_;
  const std::uint64_t max_bytes_;
  std::mutex mutex_;
  std::uint64_t bytes_ = 0;  // of all lines, also of those that were discarded
  std::unique_ptr<File> lines_, reasons_;
  std::map<std::uint64_t, std::unique_ptr<File>> pieces_;  // the long line of each object
  std::map<std::uint64_t, Extents> open_;                  // of objects that may still be discarded
  Extents discarded_;
};

}  // namespace dataflow::pipeline
