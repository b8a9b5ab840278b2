// What a well-behaved process of ours does at its start: logs to standard error, signals,
// broken pipes.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <memory>
#include <string>

namespace dataflow::cmd {

// spdlog's default logger from now on: lines on standard error, UTC, coloured on a terminal. To be
// called first in main; again without harm.
void start_logging();
// The same, but each line is handed over, to be written to standard error without holding up
// whoever logs it. `write` is called by one thread at a time, and may take the line's memory.
void start_logging(std::function<void(std::string& line)> write);

// No core file, no debugger and no other process of the same user gets at this one's memory, where
// the secrets are (PR_SET_DUMPABLE, see prctl(2)). To be called before any secret is read.
void keep_memory_private();

// A write to a closed pipe or socket, or beyond the limit on the size of files (ulimit -f), is an
// error of that write, not the end of the process.
void survive_failed_writes();

// Whether a terminal belongs to the process, so that SIGHUP may mean that it was closed.
bool has_terminal();

// From now on SIGHUP does nothing, until there is a ReloadSignal.
void survive_hangups();

// Raises the soft limit of open files to the hard one. Returns what it is now.
std::size_t raise_open_files_limit();

// Waits for SIGINT and SIGTERM while it lives. `stop` is called with the first one, on the
// executor; after it a second signal ends the process at once, as if nobody had waited.
class StopSignals {
 public:
  StopSignals(const boost::asio::any_io_executor& executor, std::function<void(int signal)> stop);
  ~StopSignals();

  // Waits no more, so that the executor's context can run out of work.
  void cancel();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits for SIGHUP while it lives and calls `reload` with each one, on the executor.
class ReloadSignal {
 public:
  ReloadSignal(const boost::asio::any_io_executor& executor, std::function<void()> reload);
  ~ReloadSignal();

 private:
  struct State;
  static void wait(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace dataflow::cmd
