// One answer, written into a buffer that is used again.
#pragma once

#include <chrono>
#include <ctime>
#include <string>
#include <string_view>

#include "dataflow/http/problem.h"

namespace dataflow::http {

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kProblemJson = "application/problem+json";

struct Response {
  Status status = 200;
  std::string_view content_type;  // empty: no content, and none of the fields that describe it
  std::string body;
  bool allow = false;        // tells which methods there are (405, 204)
  bool retry_after = false;  // tells when to come back (503)

  void clear();  // keeps the body's memory
};

// Makes `response` the problem that it is to have this status.
void set_problem(Response& response, Status status, std::string_view detail);

// How the connection goes on after an answer.
enum class After {
  kKeepAlive,      // as HTTP/1.1 does by itself
  kKeepAliveTold,  // as an HTTP/1.0 client asked for
  kClose,
};

// Appends the head of the response, and its body unless `head_only`. `date` is http_date() of now.
void append_response(std::string& out, const Response& response, bool head_only, After after,
                     std::string_view date, std::chrono::seconds retry_after);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
std::string http_date(std::time_t time);

}  // namespace dataflow::http
