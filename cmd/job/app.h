// App: the job from its arguments to its exit code.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cmd/job/arguments.h"
#include "cmd/job/parts.h"
#include "dataflow/pipeline/pipeline.h"
#include "dataflow/thread_pool.h"

namespace dataflow::cmd {

// Exit codes; 128 + the signal's number after SIGINT and SIGTERM.
inline constexpr int kExitStored = 0;         // everything is stored
inline constexpr int kExitRejectedLines = 1;  // stored, but for rejected lines
inline constexpr int kExitMaxErrors = 3;      // stopped: too many rejected lines
inline constexpr int kExitFailed = 4;         // a source or a server failed for good
// kExitUsage = 2 (flags.h): usage or configuration, a missing keyspace or table among them

class App {
 public:
  explicit App(JobArguments arguments);
  ~App();

  // Runs the job; blocks until it is done. Where a run stopped before its sources ended, reads that
  // nobody waits for any more may still be under way: the caller then ends the process without
  // further ado (stopped_early()).
  int run();

  bool stopped_early() const { return signal_ != 0 || stopped_; }

 private:
  Task<int> work();
  Task<int> provision();
  Task<int> load();
  void on_signal(int signal);
  Task<void> watch_drain();
  int finish(const pipeline::Summary& summary);

  const JobArguments arguments_;
  ThreadPool pool_;
  std::atomic<int> signal_{0};
  std::atomic<bool> stopped_{false};
  std::chrono::steady_clock::time_point start_;
  std::mutex mutex_;  // of what follows
  pipeline::Pipeline* running_ = nullptr;
  std::optional<pipeline::Summary> summary_;  // of the run, once that is over
  bool told_ = false;                         // it was reported
  Parts parts_;
  // Receives signals, for all threads of pool_ may be waiting for somebody: whoever reads the log,
  // or the rejects. Nothing that the drain waits for runs here.
  ThreadPool signal_thread_{1};
};

}  // namespace dataflow::cmd
