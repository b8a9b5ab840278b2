// Goal: every way in which RocksDB fails has the code that tells its caller what to do.
#include "dataflow/rocksdb/status.h"

#include <gtest/gtest.h>

namespace dataflow::rocksdb {
namespace {

using Status = ::rocksdb::Status;

ErrorCode code_of(const Status& status) { return error_of(status, "opening", "/x/db").code; }

TEST(Status, EachHasItsCode) {
  EXPECT_EQ(code_of(Status::Corruption("bad block")), ErrorCode::kInternal);
  EXPECT_EQ(code_of(Status::NoSpace("x")), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::IOError("x", "Permission denied")), ErrorCode::kUnauthorized);
  EXPECT_EQ(code_of(Status::IOError("x", "Read-only file system")), ErrorCode::kUnauthorized);
  EXPECT_EQ(code_of(Status::IOError("x", "Operation not permitted")), ErrorCode::kUnauthorized);
  EXPECT_EQ(code_of(Status::IOError("x", "Too many open files")), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::IOError("x", "File too large")), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::IOError("x", "Input/output error")), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::Busy()), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::TimedOut()), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::ShutdownInProgress()), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(Status::InvalidArgument("x")), ErrorCode::kInvalid);
  EXPECT_EQ(code_of(Status::NotSupported("x")), ErrorCode::kInvalid);
  EXPECT_EQ(code_of(Status::NotFound()), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(Status::Expired()), ErrorCode::kInternal);
}

TEST(Status, TheMessageSaysWhatWhereAndWhatToDoTheCauseIsTheDrivers) {
  const Error error = error_of(
      Status::IOError("While appending to file", "No space left on device"), "writing to", "/x/db");
  EXPECT_EQ(
      error.message,
      "writing to the embedded database /x/db failed: no space is left on its disk; make room "
      "and run again");
  EXPECT_EQ(error.cause, "IO error: While appending to file: No space left on device");
}

}  // namespace
}  // namespace dataflow::rocksdb
