#include "dataflow/http/problem.h"

#include <boost/beast/http/status.hpp>

#include "dataflow/http/json.h"

namespace dataflow::http {

Status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kUnauthorized:
      return 403;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

Error store_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return {ErrorCode::kNotFound, "There is no product with this id.", {}};
    case ErrorCode::kUnavailable:
      return {ErrorCode::kUnavailable, "The store did not answer; try again.", {}};
    case ErrorCode::kInvalid:
    case ErrorCode::kUnauthorized:
    case ErrorCode::kConflict:
      return {ErrorCode::kUnavailable, "The store is not ready; try again later.", {}};
    case ErrorCode::kInternal:
      break;
  }
  return {ErrorCode::kInternal, "The service has made a mistake.", {}};
}

std::string_view reason_of(Status status) {
  return boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
}

void append_problem(std::string& out, Status status, std::string_view detail) {
  out += R"({"type":"about:blank","title":)";
  append_json_string(out, reason_of(status));
  out += R"(,"status":)";
  out += std::to_string(status);
  out += R"(,"detail":)";
  append_json_string(out, detail);
  out += "}";
}

}  // namespace dataflow::http
