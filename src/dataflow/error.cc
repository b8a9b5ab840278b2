#include "dataflow/error.h"

#include <utility>

namespace dataflow {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kUnauthorized:
      return "unauthorized";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

std::string Error::describe() const {
  return cause.empty() ? message : message + " (" + cause + ")";
}

std::unexpected<Error> fail(ErrorCode code, std::string message, std::string cause) {
  return std::unexpected(Error{code, std::move(message), std::move(cause)});
}

}  // namespace dataflow
