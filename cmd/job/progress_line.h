// ProgressLine: shows how far a run is while it runs, on standard error.
//
// On a terminal one line, redrawn; elsewhere a log line every few seconds. Works on a thread of its
// own while it lives; what it reads outlives it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "dataflow/pipeline/progress.h"

namespace dataflow::cmd {

class ProgressLine {
 public:
  explicit ProgressLine(const pipeline::Progress& progress);
  ~ProgressLine();  // clears the line on a terminal
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  void show(bool terminal);
  std::string text() const;

  const pipeline::Progress& progress_;
  const std::chrono::steady_clock::time_point start_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace dataflow::cmd
