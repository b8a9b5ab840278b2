#include "cmd/job/progress_line.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <stop_token>

#include "cmd/job/report.h"

namespace dataflow::cmd {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRedrawEvery{200};
constexpr milliseconds kLogEvery{5000};
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

ProgressLine::ProgressLine(const pipeline::Progress& progress)
    : progress_(progress), start_(steady_clock::now()) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  thread_ = std::jthread([this, terminal](std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stop, terminal ? kRedrawEvery : kLogEvery,
                           [&stop] { return stop.stop_requested(); })) {
      if (stop.stop_requested()) break;
      show(terminal);
    }
    if (terminal) std::fputs(kClearLine, stderr);
  });
}

ProgressLine::~ProgressLine() {
  thread_.request_stop();
  thread_.join();
}

std::string ProgressLine::text() const {
  const pipeline::Counts counts = progress_.counts();
  const double seconds = std::chrono::duration<double>(steady_clock::now() - start_).count();
  std::string text = std::to_string(progress_.files.load()) + " files, " +
                     bytes_text(static_cast<double>(counts.bytes)) + ", " +
                     std::to_string(counts.lines) + " lines: " + std::to_string(counts.written) +
                     " written, " + std::to_string(counts.unchanged) + " unchanged, " +
                     std::to_string(counts.rejected) + " rejected";
  text += ", " +
          std::to_string(static_cast<std::uint64_t>(
              seconds > 0 ? static_cast<double>(counts.lines) / seconds : 0)) +
          " lines/s";
  return text;
}

void ProgressLine::show(bool terminal) {
  if (terminal) {
    std::fputs((kClearLine + text()).c_str(), stderr);
    std::fflush(stderr);
  } else {
    spdlog::info("{}", text());
  }
}

}  // namespace dataflow::cmd
