#include "dataflow/rocksdb/status.h"

#include <string>
#include <utility>

namespace dataflow::rocksdb {
namespace {

// RocksDB has no code for most of the system's errors; it quotes strerror() at the end of its
// message.
bool says(const std::string& words, std::string_view reason) {
  return words.find(reason) != std::string::npos;
}

std::pair<ErrorCode, std::string_view> reason_of(const ::rocksdb::Status& status,
                                                 const std::string& words) {
  if (status.IsCorruption()) {
    return {ErrorCode::kInternal, "it is damaged; remove it and load again"};
  }
  if (status.IsNoSpace() || says(words, "No space left") || says(words, "quota exceeded")) {
    return {ErrorCode::kUnavailable, "no space is left on its disk; make room and run again"};
  }
  if (says(words, "Permission denied") || says(words, "not permitted") ||
      says(words, "Read-only file system")) {
    return {ErrorCode::kUnauthorized,
            "this user may not do that; change the permissions or the user"};
  }
  if (says(words, "Too many open files")) {
    return {ErrorCode::kUnavailable, "too many files are open; raise the limit (ulimit -n)"};
  }
  if (says(words, "File too large")) {
    return {ErrorCode::kUnavailable, "a file would pass the limit of this process (ulimit -f)"};
  }
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return {ErrorCode::kInvalid, "it is not a database of this version of dataflow"};
  }
  if (status.IsNotFound()) return {ErrorCode::kNotFound, "it is not there"};
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() || status.IsTryAgain() ||
      status.IsAborted() || status.IsIncomplete() || status.IsShutdownInProgress()) {
    return {ErrorCode::kUnavailable, "its disk did not do it; see the cause and try again"};
  }
  return {ErrorCode::kInternal, "unexpectedly"};
}

}  // namespace

Error error_of(const ::rocksdb::Status& status, std::string_view what, std::string_view path) {
  std::string words = status.ToString();
  const auto [code, reason] = reason_of(status, words);
  std::string message(what);
  message.append(" the embedded database ").append(path).append(" failed: ").append(reason);
  return Error{code, std::move(message), std::move(words)};
}

}  // namespace dataflow::rocksdb
