#include "dataflow/http/access_log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <ctime>

namespace dataflow::http {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_printable(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

}  // namespace

void append_access_line(std::string& out, std::string_view time, const AccessEntry& entry) {
  out += time;
  out += ' ';
  out += entry.client.empty() ? "-" : entry.client;
  out += ' ';
  out += entry.method.empty() ? "-" : entry.method;
  out += ' ';
  append_printable(out, entry.target.substr(0, AccessLog::kLongestTarget));
  if (entry.target.empty()) out += '-';
  if (entry.target.size() > AccessLog::kLongestTarget) out += "...";
  out += ' ';
  append_number(out, entry.status);
  out += ' ';
  append_number(out, static_cast<std::int64_t>(entry.bytes));
  out += ' ';
  append_number(out, entry.duration.count());
  out += '\n';
}

std::string access_time(std::chrono::system_clock::time_point now) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since / 1'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.", &utc);
  const std::string milliseconds = std::to_string(1'000 + since % 1'000);
  return std::string(text.data(), length) + milliseconds.substr(1) + "Z";
}

AccessLog::AccessLog(int descriptor) : descriptor_(descriptor), thread_([this] { run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    end_by_ = std::chrono::steady_clock::now() + kLastWait;
  }
  wake_.notify_one();
  thread_.join();
}

void AccessLog::write(std::string& lines) {
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() + lines.size() > kMaxPending) {
      dropped_ += static_cast<std::uint64_t>(std::ranges::count(lines, '\n'));
    } else {
      pending_ += lines;
    }
  }
  lines.clear();
  wake_.notify_one();
}

void AccessLog::run() {
  std::string text;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !pending_.empty() || dropped_ > 0; });
    if (pending_.empty() && dropped_ == 0) return;
    text.clear();
    text.swap(pending_);
    const std::uint64_t dropped = dropped_;
    dropped_ = 0;
    lock.unlock();
    if (dropped > 0) text += "# " + std::to_string(dropped) + " lines were dropped\n";
    const bool written = write_all(text);
    lock.lock();
    if (!written && ending_) return;
  }
}

// False when there is nobody any more who could read, or no time to wait for them.
bool AccessLog::write_all(std::string_view text) {
  while (!text.empty()) {
    if (!is_writable()) return false;
    // A writable pipe takes this much without blocking.
    const ssize_t written =
        ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Waits until a write would take something, so that a full pipe does not keep the destructor
// waiting.
bool AccessLog::is_writable() {
  constexpr int kLookAgainMs = 50;
  while (true) {
    pollfd ready{descriptor_, POLLOUT, 0};
    const int count = ::poll(&ready, 1, kLookAgainMs);
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) return false;
    const std::lock_guard lock(mutex_);
    if (ending_ && std::chrono::steady_clock::now() >= end_by_) return false;
  }
}

}  // namespace dataflow::http
