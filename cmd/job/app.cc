#include "cmd/job/app.h"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "cmd/common/ending.h"
#include "cmd/common/flags.h"
#include "cmd/common/process.h"
#include "cmd/common/wiring.h"
#include "cmd/job/progress_line.h"
#include "cmd/job/report.h"
#include "dataflow/cassandra/product_service.h"

namespace dataflow::cmd {

namespace {

using std::chrono::steady_clock;

// How long what is in flight may take after a signal.
constexpr std::chrono::seconds kDrainTimeout{8};

// How long it may take then to tell what was done: whoever stops a job often kills it after 10 s.
constexpr std::chrono::milliseconds kTellTimeout{1500};
constexpr const char* kOutOfTime =
    "error: the job ended before it could tell what it did: whoever reads its output, or what it "
    "has to close, is too slow; what it stored is stored, run it again\n";

constexpr int kSignalBase = 128;

int exit_code_of(const Error& error) {
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

pipeline::Options pipeline_options(const JobArguments& arguments) {
  const PipelineConfig& config = arguments.config.pipeline;
  pipeline::Options options;
  options.dry_run = arguments.dry_run;
  options.max_errors = config.max_errors;
  options.rejects = config.rejects;
  options.block_bytes = config.block_bytes;
  options.max_line_bytes = config.max_line_bytes;
  options.max_inflated_bytes = config.max_inflated_bytes;
  options.max_rejects_bytes = config.max_rejects_bytes;
  options.objects_in_flight = config.objects_in_flight;
  options.buffer_bytes = config.buffer_bytes;
  options.claims_memory_bytes = config.ids_memory_bytes;
  options.deferred_bytes = config.deferred_bytes;
  return options;
}

void tell_rejects(const pipeline::Summary& summary, const std::string& file) {
  const auto& [lines, reasons, beside] = summary.rejects;
  if (lines.empty()) return;
  spdlog::warn("{} lines were rejected: they are in {}{}", summary.counts.rejected, lines,
               reasons.empty() ? "" : ", why in " + reasons);
  if (beside) {
    spdlog::warn("{} was a source and not all was stored: it is left as it is; load it again",
                 file);
  }
}

}  // namespace

App::App(JobArguments arguments)
    : arguments_(std::move(arguments)), pool_(arguments_.concurrency) {}

App::~App() = default;

int App::run() {
  for (const std::string& warning : arguments_.config.warnings) spdlog::warn("{}", warning);
  // What timers need of descriptors is taken before the clients take all that there are.
  const boost::asio::steady_timer first_timer(pool_.get_executor());
  StopSignals signals(signal_thread_.get_executor(), [this](int signal) { on_signal(signal); });
  auto code = boost::asio::co_spawn(pool_.get_executor(), work(), boost::asio::use_future);
  const int result = code.get();
  if (stopped_early()) return result;
  signals.cancel();
  signal_thread_.join();
  pool_.join();
  return result;
}

// By now a second signal ends the process. Of what is waited for here and later (a lock, a log that
// nobody reads), nothing may keep it.
void App::on_signal(int signal) {
  end_after(kDrainTimeout + kTellTimeout, kSignalBase + signal, kOutOfTime);
  signal_ = signal;
  const char* what = signal == SIGINT ? "interrupted" : "terminated";
  constexpr const char* kDraining =
      "{}: writing what is in flight, then stopping (again: stop at once)";
  std::unique_lock lock(mutex_);
  if (told_) return;
  if (running_ == nullptr && !summary_) {
    // Nothing is in flight yet.
    spdlog::warn(kDraining, what);
    std::fflush(nullptr);
    std::_Exit(kSignalBase + signal);
  }
  if (running_ != nullptr) running_->stop(pipeline::Stop::kInterrupted);
  lock.unlock();
  spdlog::warn(kDraining, what);
  boost::asio::co_spawn(signal_thread_.get_executor(), watch_drain(), boost::asio::detached);
}

// Ends the process when draining takes too long.
Task<void> App::watch_drain() {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor, kDrainTimeout);
  co_await timer.async_wait(boost::asio::use_awaitable);
  // Kept to the end of the process: nobody else tells of the run, which does not go while it is
  // asked.
  mutex_.lock();
  if (told_) {
    mutex_.unlock();
    co_return;
  }
  spdlog::error("what was in flight could not be written within {} s; the next run writes it",
                kDrainTimeout.count());
  if (running_ != nullptr) summary_ = running_->summary();
  if (summary_) finish(*summary_);
  std::fflush(nullptr);
  std::_Exit(kSignalBase + signal_);
}

Task<int> App::work() {
  int code = kExitFailed;
  if (arguments_.provision) {
    code = co_await provision();
  } else {
    code = co_await load();
  }
  co_return code;
}

Task<int> App::provision() {
  auto done = co_await cassandra::provision(cassandra_options(*arguments_.config.cassandra),
                                            arguments_.replication);
  if (!done) {
    spdlog::error("{}", done.error().describe());
    co_return exit_code_of(done.error());
  }
  std::cout << "keyspace " << arguments_.config.cassandra->keyspace
            << " and its tables are there\n";
  co_return kExitStored;
}

Task<int> App::load() {
  start_ = steady_clock::now();
  auto parts = co_await make_parts(arguments_);
  if (!parts) {
    spdlog::error("{}", parts.error().describe());
    co_return exit_code_of(parts.error());
  }
  parts_ = std::move(*parts);
  pipeline::Pipeline::Parts used;
  used.sources = parts_.sources;
  used.store = parts_.store.get();
  used.cache = parts_.cache.get();
  used.make_spill = parts_.make_spill;
  used.warn = [](std::string_view text) { spdlog::warn("{}", text); };
  const auto executor = co_await boost::asio::this_coro::executor;
  auto pipeline =
      std::make_unique<pipeline::Pipeline>(pipeline_options(arguments_), std::move(used), executor);
  {
    std::lock_guard lock(mutex_);
    running_ = pipeline.get();
  }
  auto progress = std::make_unique<ProgressLine>(pipeline->progress());
  auto summary = co_await pipeline->run();
  progress.reset();
  {
    std::lock_guard lock(mutex_);
    running_ = nullptr;
    if (summary) summary_ = *summary;
  }
  // Before the time is taken: what the store still has to do belongs to the run.
  pipeline.reset();
  parts_.cache.reset();
  parts_.store.reset();
  if (!summary) {
    spdlog::error("{}", summary.error().describe());
    co_return signal_ != 0 ? kSignalBase + signal_ : exit_code_of(summary.error());
  }
  stopped_ = summary->stop != pipeline::Stop::kNone;
  std::lock_guard lock(mutex_);
  told_ = true;
  co_return finish(*summary);
}

int App::finish(const pipeline::Summary& summary) {
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start_).count();
  for (const Error& error : summary.errors) spdlog::error("{}", error.describe());
  tell_rejects(summary, arguments_.config.pipeline.rejects);
  if (summary.stop == pipeline::Stop::kMaxErrors) {
    spdlog::error(
        "stopped: more than {} rejected lines; mend the source or allow more with -max-errors",
        arguments_.config.pipeline.max_errors);
  }
  std::cout << summary_text(summary, seconds) << std::flush;
  bool report_failed = false;
  if (arguments_.report) {
    auto written = write_report(*arguments_.report, report_json(summary, seconds));
    if (!written) spdlog::error("{}", written.error().describe());
    report_failed = !written;
  }
  if (const int signal = signal_; signal != 0) return kSignalBase + signal;
  if (summary.stop == pipeline::Stop::kMaxErrors) return kExitMaxErrors;
  if (!summary.errors.empty() || report_failed) return kExitFailed;
  return summary.counts.rejected > 0 ? kExitRejectedLines : kExitStored;
}

}  // namespace dataflow::cmd
