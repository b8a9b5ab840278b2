// Rejects: keeps the lines that are no products, so that they can be mended and loaded.
//
// FILE has the lines as they were, one after another: a source for a later run. FILE.reasons has
// one JSON object a line for each: {"source":..., "line":..., "byte":..., "reason":...}. Both take
// their names when the run is over (see output_file.h); without a rejected line nothing is created
// and what is there stays. Of two runs that end at the same time, one has both.
//
// FILE may be a source of the very run, whose lines are nowhere else: unless all of it is stored,
// it stays, and what is rejected again goes beside it, to FILE.incomplete-N.
//
// Where FILE is no regular file, lines are written straight into it, also those that are discarded
// later; reasons only where there is a FILE.reasons. Without a FILE nothing is kept. Where reasons
// have no file, `warn` is told the first kMostTold.
//
// Thread safe. Errors: kUnavailable where the files cannot be written (disk full, no such folder,
// no permission), or where a line is still being written at the end: then nothing more is kept and
// nothing takes a name. kInvalid where the lines would take more than they may.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/fetch.h"
#include "dataflow/pipeline/output_file.h"

namespace dataflow::pipeline {

class Rejects {
 public:
  static constexpr std::size_t kMostTold = 20;
  // What finish() gives a line that is being written.
  static constexpr std::chrono::milliseconds kFinishPatience{500};

  // All lines together may have `max_bytes`. Without a FILE, `path` is empty.
  explicit Rejects(std::string path,
                   std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max(),
                   std::function<void(std::string_view)> warn = nullptr);
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

  // The run reads this object: it may be FILE.
  void note_source(const Object& object);

  Result<void> add(const Line& line, std::string_view text);

  // A line that comes in pieces: one such line an object at a time; finished by the piece with
  // `last`.
  Result<void> add_piece(const Line& line, std::string_view piece, bool last);

  // Forgets what was added for an object since it was begun: it is read again from the beginning.
  void discard(std::uint64_t object);

  // What was added for the object stays.
  void keep(std::uint64_t object);

  // Where the rejected lines of a run are; both are empty where there are none, or where an error
  // of add() kept them from being written.
  struct Kept {
    std::string lines, reasons;
    bool beside = false;  // FILE is a source that stays
  };

  // Gives the files their names. To be called once, at the end; to add a line after it is
  // kConflict. `all_stored`: every line of the sources is stored, or was added here. Who ends a run
  // whose rejects go to somebody that takes them slowly does not wait for all of them.
  Result<Kept> finish(bool all_stored);

  // The error of who does not wait for add() or finish() on another thread.
  Error not_whole() const;

 private:
  struct Extent {
    std::uint64_t begin = 0, end = 0;
  };
  struct Extents {
    std::vector<Extent> lines, reasons;
  };
  using File = std::unique_ptr<OutputFile>;

  Result<void> open();
  Result<void> take_room(std::size_t bytes);
  Result<void> append(const Line& line, std::string_view text);
  Result<void> append_piece(const Line& line, std::string_view piece, bool last);
  Result<void> append_reason(const Line& line);
  Result<void> append_spool(const Line& line, OutputFile& spool);
  Result<void> noting_failure(Result<void> done);
  void tell(const Line& line);
  bool can_discard() const;
  Result<void> leave_out_discarded();
  Result<Kept> take_names(bool beside);
  static Result<void> leave_out(std::vector<Extent>& holes, File& file);
  static void note(std::vector<Extent>& extents, std::uint64_t begin, std::uint64_t end);

  const std::string path_;
  const std::uint64_t max_bytes_;
  const std::function<void(std::string_view)> warn_;
  std::atomic<bool> finished_ = false;
  std::timed_mutex mutex_;   // of what follows
  std::uint64_t bytes_ = 0;  // of all lines, also of those that were discarded
  std::size_t told_ = 0;     // reasons
  bool is_source_ = false;   // FILE
  std::optional<Error> failure_;
  File lines_, reasons_;                   // reasons_ may be null
  std::map<std::uint64_t, File> pieces_;   // the long line of each object
  std::map<std::uint64_t, Extents> open_;  // of objects that may still be discarded
  Extents discarded_;
};

}  // namespace dataflow::pipeline
