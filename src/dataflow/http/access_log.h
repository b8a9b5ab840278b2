// One line a request, written by a thread of its own so that a slow disk or pipe never holds up a
// request.
//
// The format, separated by spaces:
//   2026-11-23T04:39:00.123Z 192.0.2.7 GET /product/42 200 312 85
// time (UTC, of the answer), client, method, target, status, bytes of the body sent, microseconds
// from the request's first byte to its answer's last. Where a request could not be understood,
// method and target are `-`. Targets are cut at kLongestTarget characters, and what is not
// printable ASCII is written \xNN.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "dataflow/http/problem.h"

namespace dataflow::http {

struct AccessEntry {
  std::string_view client;
  std::string_view method;
  std::string_view target;
  Status status = 0;
  std::size_t bytes = 0;
  std::chrono::microseconds duration{0};
};

// Appends the line of one request. `time` is access_time() of now.
void append_access_line(std::string& out, std::string_view time, const AccessEntry& entry);

// "2026-11-23T04:39:00.123Z"
std::string access_time(std::chrono::system_clock::time_point now);

// Thread safe. Lines are dropped, and their number is told in a line that begins with `#`, while
// more than kMaxPending bytes wait for a reader that does not read.
class AccessLog {
 public:
  static constexpr std::size_t kMaxPending = 8 << 20;
  static constexpr std::size_t kLongestTarget = 512;

  // Writes to the descriptor, which it does not own.
  explicit AccessLog(int descriptor);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  // Writes what is pending, waiting for a reader that does not read no longer than kLastWait.
  ~AccessLog();

  // Hands over whole lines; `lines` is empty afterwards and keeps some memory.
  void write(std::string& lines);

 private:
  static constexpr std::chrono::milliseconds kLastWait{1'000};

  void run();
  bool write_all(std::string_view text);
  bool is_writable();

  const int descriptor_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string pending_;
  std::uint64_t dropped_ = 0;
  bool ending_ = false;
  std::chrono::steady_clock::time_point end_by_;
  std::thread thread_;
};

}  // namespace dataflow::http
