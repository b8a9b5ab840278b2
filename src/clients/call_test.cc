// Goal: a call of the Rust clients comes back as a value or as the domain's error, and its values
// are read in order.
#include "clients/call.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

namespace dataflow::clients {
namespace {

Reply reply_with(Status status) {
  Reply reply;
  reply.status = status;
  reply.message = "message";
  reply.cause = "cause";
  return reply;
}

TEST(Call, EveryStatusHasItsCode) {
  EXPECT_EQ(error_of(reply_with(Status::Invalid)),
            (Error{ErrorCode::kInvalid, "message", "cause"}));
  EXPECT_EQ(error_of(reply_with(Status::NotFound)).code, ErrorCode::kNotFound);
  EXPECT_EQ(error_of(reply_with(Status::Unavailable)).code, ErrorCode::kUnavailable);
  EXPECT_EQ(error_of(reply_with(Status::Unauthorized)).code, ErrorCode::kUnauthorized);
  EXPECT_EQ(error_of(reply_with(Status::Conflict)).code, ErrorCode::kConflict);
  EXPECT_EQ(error_of(reply_with(Status::Internal)).code, ErrorCode::kInternal);
}

TEST(Call, ResumesWithTheReplyOfAnotherThread) {
  boost::asio::io_context io;
  std::thread other;
  auto result = boost::asio::co_spawn(
      io, call([&other](auto done) {
        other = std::thread([done = std::move(done)] { done->complete(reply_with(Status::Ok)); });
      }),
      boost::asio::use_future);
  io.run();
  other.join();
  EXPECT_TRUE(result.get().has_value());
}

TEST(Values, ReadsValuesNullsAndMissingRows) {
  Reply reply;
  for (char c : std::string_view("abc")) reply.bytes.push_back(static_cast<std::uint8_t>(c));
  for (int length : {2, -1, 0, -2, 1}) reply.lengths.push_back(length);
  Values values(reply);
  EXPECT_EQ(values.next().bytes, "ab");
  EXPECT_TRUE(values.next().null);
  EXPECT_EQ(values.next().bytes, "");
  EXPECT_TRUE(values.next().missing);
  EXPECT_FALSE(values.done());
  EXPECT_EQ(values.next().bytes, "c");
  EXPECT_TRUE(values.done());
}

}  // namespace
}  // namespace dataflow::clients
