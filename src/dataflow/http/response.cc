#include "dataflow/http/response.h"

#include <array>
#include <charconv>

#include "dataflow/http/router.h"

namespace dataflow::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void append_number(std::string& out, std::uint64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_two_digits(std::string& out, int number) {
  out += static_cast<char>('0' + number / 10 % 10);
  out += static_cast<char>('0' + number % 10);
}

}  // namespace

void Response::clear() {
  status = 200;
  content_type = {};
  body.clear();
  allow = false;
  retry_after = false;
}

void set_problem(Response& response, Status status, std::string_view detail) {
  response.clear();
  response.status = status;
  response.content_type = kProblemJson;
  response.allow = status == 405;
  response.retry_after = status == 503;
  append_problem(response.body, status, detail);
}

void append_response(std::string& out, const Response& response, bool head_only, After after,
                     std::string_view date, std::chrono::seconds retry_after) {
  out += "HTTP/1.1 ";
  append_number(out, response.status);
  out += ' ';
  out += reason_of(response.status);
  out += "\r\nServer: dataflow\r\nDate: ";
  out += date;
  if (!response.content_type.empty()) {
    out += "\r\nContent-Type: ";
    out += response.content_type;
    out += "\r\nContent-Length: ";
    append_number(out, response.body.size());
  }
  if (response.allow) {
    out += "\r\nAllow: ";
    out += kAllowed;
  }
  if (response.retry_after) {
    out += "\r\nRetry-After: ";
    append_number(out, static_cast<std::uint64_t>(retry_after.count()));
  }
  if (after == After::kClose) out += "\r\nConnection: close";
  if (after == After::kKeepAliveTold) out += "\r\nConnection: keep-alive";
  out += "\r\n\r\n";
  if (!head_only) out += response.body;
}

std::string http_date(std::time_t time) {
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::string out(kDays[static_cast<std::size_t>(utc.tm_wday)]);
  out += ", ";
  append_two_digits(out, utc.tm_mday);
  out += ' ';
  out += kMonths[static_cast<std::size_t>(utc.tm_mon)];
  out += ' ' + std::to_string(utc.tm_year + 1900) + ' ';
  append_two_digits(out, utc.tm_hour);
  out += ':';
  append_two_digits(out, utc.tm_min);
  out += ':';
  append_two_digits(out, utc.tm_sec);
  out += " GMT";
  return out;
}

}  // namespace dataflow::http
