// What went wrong, in two voices: a message the user may see and a cause the operator needs.
//
// Every fallible function of the project returns Result<T>; no exception leaves a folder. An
// adapter maps its driver's errors to these codes in one function; http/ maps the codes to HTTP
// statuses in one table. Values are plain data: copy them, move them, use them on any thread.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace dataflow {

enum class ErrorCode {
  kInvalid,       // the request, the file or the configuration is wrong; a retry will not help
  kNotFound,      // what was asked for is not there
  kUnavailable,   // a server, a disk or a network did not answer; a retry may help
  kUnauthorized,  // credentials or permissions are missing or wrong
  kConflict,      // what is wanted has changed meanwhile, or somebody else holds it; start again
  kInternal,      // our own mistake
};

// "invalid", "not_found", "unavailable", "unauthorized", "conflict", "internal".
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;  // a sentence for the user: what, where, what to do; never a secret
  std::string cause;    // for the operator: the driver's own words; may be empty

  // "message (cause)", or the message alone where there is no cause.
  std::string describe() const;

  friend bool operator==(const Error&, const Error&) = default;
};

// A value or an Error; ignoring one is a warning, and so a failed build.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

// std::unexpected around an Error: `return fail(ErrorCode::kInvalid, "...")`.
std::unexpected<Error> fail(ErrorCode code, std::string message, std::string cause = {});

}  // namespace dataflow
