// Cleaner: removes the entries of caches that nobody will open again, a small step at a time.
//
// A step is a script that travels with a call of the job that is made anyway, at most one each
// kCleanPause. So it needs no thread and no connection, stops when the job does, and takes a few
// per cent of the server's time. How far it has come is kept in Redis: the next job goes on there.
//
// Thread safety: all methods may be called concurrently.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "dataflow/redis/commands.h"

namespace dataflow::redis {

class Cleaner {
 public:
  using Clock = std::chrono::steady_clock;

  // A retired generation: a member of the registry, "<pointer> <name>", and where SCAN goes on.
  struct Retired {
    std::string member;
    std::string cursor;
  };
  // Replaces what is to be removed.
  void start(std::string registry, std::deque<Retired> retired);

  // Adds a step to the commands, if one is due; its answer, or that there was none, is then to be
  // told.
  struct Step {
    std::size_t round;  // of start()
  };
  std::optional<Step> append(Commands& commands, Clock::time_point now);
  void took(Step step, std::string_view cursor);
  void failed(Step step);

 private:
  std::mutex mutex_;
  std::size_t round_ = 0;
  std::string registry_;
  std::deque<Retired> retired_;
  bool under_way_ = false;
  Clock::time_point next_;
};

}  // namespace dataflow::redis
