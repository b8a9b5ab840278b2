#include "clients/call.h"

#include <string>

namespace dataflow::clients {

namespace {

ErrorCode code_of(Status status) {
  switch (status) {
    case Status::Invalid:
      return ErrorCode::kInvalid;
    case Status::NotFound:
      return ErrorCode::kNotFound;
    case Status::Unavailable:
      return ErrorCode::kUnavailable;
    case Status::Unauthorized:
      return ErrorCode::kUnauthorized;
    case Status::Conflict:
      return ErrorCode::kConflict;
    case Status::Ok:
    case Status::Internal:
      break;
  }
  return ErrorCode::kInternal;
}

}  // namespace

Error error_of(const Reply& reply) {
  return {code_of(reply.status), std::string(reply.message), std::string(reply.cause)};
}

Values::Value Values::next() {
  const std::int32_t length = reply_.lengths[next_++];
  if (length < 0) return {.bytes = {}, .null = length == -1, .missing = length == -2};
  const auto* data = reinterpret_cast<const char*>(reply_.bytes.data()) + offset_;
  offset_ += static_cast<std::size_t>(length);
  return {.bytes = {data, static_cast<std::size_t>(length)}};
}

}  // namespace dataflow::clients
