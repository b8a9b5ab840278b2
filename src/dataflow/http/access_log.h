// One line a request, which whoever takes them (Options::access_log) writes.
//
// The format, separated by spaces:
//   2026-11-23T04:39:00.123Z 192.0.2.7 GET /product/42 200 312 85
// time (UTC, of the answer), client, method, target, status, bytes of the body sent, microseconds
// from the request's first byte to its answer's last. Where a request could not be understood,
// method and target are `-`. Targets are cut at kLongestTarget characters, and what is not
// printable ASCII is written \xNN.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "dataflow/http/problem.h"

namespace dataflow::http {

inline constexpr std::size_t kLongestTarget = 512;

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

}  // namespace dataflow::http
