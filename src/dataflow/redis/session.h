// Session: the generation of the cache that open() found, and asking the server about it. Private
// to the folder.
//
// Each round trip ends with a look at the witness, so that what it says is of the generation that
// was opened. A generation is over when the server restarted (it may have come back with older
// data) or was emptied (others may have opened a new one since): then every call fails until the
// next open().
//
// Thread safety: open() is not to be called while other calls are under way.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "clients/call.h"
#include "dataflow/redis/cleaner.h"
#include "dataflow/redis/encoding.h"
#include "dataflow/redis/link.h"

namespace dataflow::redis {

struct Generation {
  std::string name;  // empty: opened for reading, and there is none
  std::string pointer;
  std::string run_id;
  Statistics statistics;  // when it was opened
  bool read_only = false;
  std::string rows;     // row_prefix(name)
  std::string records;  // record_prefix(name)
  std::atomic<bool> over = false;
};

using GenerationPtr = std::shared_ptr<Generation>;

class Session {
 public:
  explicit Session(Options options) : connector_(std::move(options)) {}

  // As Cache::identity: the server's run, and the database in it.
  Task<Result<std::string>> identity();
  Task<Result<void>> open(std::string incarnation, bool read_only);
  // The generation to read, or to change; kInternal before open(), and for changes of what was
  // opened for reading.
  Result<GenerationPtr> readable() const;
  Result<GenerationPtr> writable() const;

  // Adds the witness, and sometimes a step of cleaning, behind the commands and makes the round
  // trip, again on a new connection if one was lost. The reply's first values are those of the
  // commands.
  Task<Result<clients::Reply>> ask(GenerationPtr generation, Commands& commands);

 private:
  Task<Result<GenerationPtr>> open_on(Link& link, std::string_view incarnation, bool read_only);
  Task<Result<clients::Reply>> send(GenerationPtr generation, const Commands& commands);
  Error over(Generation& generation, std::string_view what) const;

  Connector connector_;
  Cleaner cleaner_;
  mutable std::mutex mutex_;
  GenerationPtr generation_;
};

}  // namespace dataflow::redis
