// Goal: what the cluster cannot answer now is asked again for as long as the options say and no
// longer; what asking again cannot mend is returned at once.
#include "dataflow/cassandra/patience.h"

#include <gmock/gmock.h>

#include "dataflow/cassandra/testing.h"

namespace dataflow::cassandra {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr auto kWait = std::chrono::milliseconds(1);

class Patience : public testing::Test {
 protected:
  // Answers with the code until the attempt `until`, then with its number.
  Result<int> ask(ErrorCode code, int until) {
    std::function<Task<Result<int>>()> question = [this, code, until] {
      return answer(++attempts_, code, until);
    };
    std::function<void(const Error&)> tell = [this](const Error& error) {
      told_.push_back(error.message);
    };
    return run(ask_patiently<int>(options_, question, tell));
  }

  static Task<Result<int>> answer(int attempt, ErrorCode code, int until) {
    if (attempt < until) co_return fail(code, "attempt " + std::to_string(attempt));
    co_return attempt;
  }

  static constexpr int kNever = 1'000'000;
  Options options_{.retry_timeout_ms = 60'000,
                   .retry_wait_ms = kWait.count(),
                   .retry_wait_max_ms = kWait.count()};
  int attempts_ = 0;
  std::vector<std::string> told_;
};

TEST_F(Patience, AsksUntilThereIsAnAnswerAndTellsOnce) {
  EXPECT_EQ(ask(ErrorCode::kUnavailable, 5), 5);
  EXPECT_THAT(told_, testing::ElementsAre("attempt 1"));
}

TEST_F(Patience, TellsNothingWhereTheFirstAnswerDoes) {
  EXPECT_EQ(ask(ErrorCode::kUnavailable, 1), 1);
  EXPECT_THAT(told_, testing::IsEmpty());
}

TEST_F(Patience, IsOverAfterTheTimeToRetry) {
  options_.retry_timeout_ms = 50;
  const auto start = std::chrono::steady_clock::now();
  const auto error = ask(ErrorCode::kUnavailable, kNever).error();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_GT(attempts_, 1);
  EXPECT_THAT(error.message,
              HasSubstr("attempt " + std::to_string(attempts_) + "; gave up at attempt " +
                        std::to_string(attempts_) + ", with 50 ms to retry"));
}

TEST_F(Patience, IsNoneWhereNoTimeIsGiven) {
  options_.retry_timeout_ms = 0;
  EXPECT_THAT(ask(ErrorCode::kUnavailable, kNever).error().message, Not(HasSubstr("gave up")));
  EXPECT_EQ(attempts_, 1);
  EXPECT_THAT(told_, testing::IsEmpty());
}

TEST_F(Patience, IsNoneForWhatItCannotMend) {
  for (const ErrorCode code : {ErrorCode::kInvalid, ErrorCode::kNotFound, ErrorCode::kUnauthorized,
                               ErrorCode::kConflict, ErrorCode::kInternal}) {
    attempts_ = 0;
    EXPECT_EQ(ask(code, kNever).error().code, code);
    EXPECT_EQ(attempts_, 1);
  }
}

TEST_F(Patience, WaitsTwiceAsLongEachTimeUpToWhatIsSet) {
  const Options options{.retry_wait_ms = 100, .retry_wait_max_ms = 1'000};
  const int longest[] = {100, 200, 400, 800, 1'000, 1'000};
  for (int failures = 1; failures <= 6; ++failures) {
    for (int i = 0; i < 100; ++i) {
      const auto wait = retry_wait(options, failures).count();
      EXPECT_LE(wait, longest[failures - 1]);
      EXPECT_GE(wait, longest[failures - 1] / 2);
    }
  }
  EXPECT_LE(retry_wait(options, 1'000'000).count(), 1'000);
}

}  // namespace
}  // namespace dataflow::cassandra
