#include "cmd/common/line_writer.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

namespace dataflow::cmd {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

}  // namespace

struct LineWriter::State {
  explicit State(int of) : descriptor(of) {}

  void run();
  bool write_all(std::string_view text);
  bool is_writable();
  ssize_t write_some(std::string_view text);
  bool is_stuck();

  const int descriptor;
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable finish;
  std::string pending;
  std::uint64_t dropped = 0;
  bool ending = false;
  bool finished = false;
  Clock::time_point end_by;
  std::optional<Clock::time_point> writing_since;  // inside write(2)
};

LineWriter::LineWriter(int descriptor)
    : state_(std::make_shared<State>(descriptor)), thread_([state = state_] { state->run(); }) {}

LineWriter::~LineWriter() { end(); }

void LineWriter::write(std::string& lines) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->ending || state_->pending.size() + lines.size() > kMaxPending) {
      state_->dropped += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
    } else {
      state_->pending += lines;
    }
  }
  lines.clear();
  state_->wake.notify_one();
}

void LineWriter::end() {
  constexpr milliseconds kLookAgain{50};
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(state_->mutex);
    state_->ending = true;
    state_->end_by = Clock::now() + kLastWait;
    state_->wake.notify_one();
    while (!state_->finished && !state_->is_stuck()) state_->finish.wait_for(lock, kLookAgain);
    if (!state_->finished) {
      // Another process has filled the pipe since it was looked at: nobody can call the write back.
      thread_.detach();
      return;
    }
  }
  thread_.join();
}

// With the mutex held.
bool LineWriter::State::is_stuck() {
  return writing_since && Clock::now() >= std::max(end_by, *writing_since + kLastWait);
}

void LineWriter::State::run() {
  std::string text;
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [this] { return ending || !pending.empty() || dropped > 0; });
    if (pending.empty() && dropped == 0) break;
    text.clear();
    text.swap(pending);
    if (dropped > 0) text += "# " + std::to_string(dropped) + " lines were dropped\n";
    dropped = 0;
    lock.unlock();
    const bool written = write_all(text);
    lock.lock();
    if (!written && ending) break;
  }
  finished = true;
  finish.notify_one();
}

// False when there is nobody any more who could read, or no time to wait for them.
bool LineWriter::State::write_all(std::string_view text) {
  while (!text.empty()) {
    if (!is_writable()) return false;
    const ssize_t written = write_some(text);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A writable pipe takes this much without blocking, unless others write to it as well.
ssize_t LineWriter::State::write_some(std::string_view text) {
  const auto note = [this](std::optional<Clock::time_point> since) {
    const std::lock_guard lock(mutex);
    writing_since = since;
  };
  note(Clock::now());
  const ssize_t written =
      ::write(descriptor, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
  const int error = errno;
  note(std::nullopt);
  errno = error;
  return written;
}

// Waits until a write would take something, so that a full pipe does not keep end() waiting.
bool LineWriter::State::is_writable() {
  constexpr int kLookAgainMs = 50;
  while (true) {
    pollfd ready{descriptor, POLLOUT, 0};
    const int count = ::poll(&ready, 1, kLookAgainMs);
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
    const std::lock_guard lock(mutex);
    if (ending && Clock::now() >= end_by) return false;
  }
}

}  // namespace dataflow::cmd
