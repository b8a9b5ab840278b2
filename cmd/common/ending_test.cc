// Goal: a process that cannot go on ends with its exit code and a sentence that says what to do,
// whoever found it out: not by a signal.
#include "cmd/common/ending.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/system/system_error.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace dataflow::cmd {
namespace {

using testing::ExitedWithCode;

constexpr int kCode = 4;
constexpr const char* kNeed = "error: the program cannot go on: .*ulimit -a.*; do this";
constexpr const char* kDefect = "error: the program ended unexpectedly: .*do this; .*report it";

// In a process of its own, on a thread whose exceptions nobody catches.
void end_by(const std::function<void()>& what) {
  end_in_words("the program", "do this", kCode);
  std::thread(what).join();
  std::_Exit(0);  // it went on
}

class Ending : public testing::Test {
 protected:
  Ending() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// Ends while an exception is on its way.
struct EndsWhenItGoes {
  ~EndsWhenItGoes() { std::terminate(); }
};

void end_on_the_way() {
  try {
    const EndsWhenItGoes unfinished;
    throw std::runtime_error("this is lost");
  } catch (const std::runtime_error&) {
    std::_Exit(0);
  }
}

TEST_F(Ending, WithoutMemoryOrAThreadSaysWhatToAllow) {
  const auto code = std::make_error_code(std::errc::resource_unavailable_try_again);
  EXPECT_EXIT(end_by([] { throw std::bad_alloc(); }), ExitedWithCode(kCode), kNeed);
  EXPECT_EXIT(end_by([&] { throw std::system_error(code); }), ExitedWithCode(kCode), kNeed);
  EXPECT_EXIT(end_by([] {
                throw boost::system::system_error(boost::system::errc::make_error_code(
                    boost::system::errc::resource_unavailable_try_again));
              }),
              ExitedWithCode(kCode), kNeed);
}

TEST_F(Ending, WithoutADescriptorSaysWhichLimitToRaise) {
  constexpr const char* kOpenFiles = "cannot go on: .*more open files .ulimit -n.*; do this";
  EXPECT_EXIT(
      end_by([] { throw std::system_error(std::make_error_code(std::errc::too_many_files_open)); }),
      ExitedWithCode(kCode), kOpenFiles);
  EXPECT_EXIT(end_by([] {
                throw boost::system::system_error(boost::system::errc::make_error_code(
                    boost::system::errc::too_many_files_open_in_system));
              }),
              ExitedWithCode(kCode), kOpenFiles);
}

TEST_F(Ending, ByAnExceptionThatNobodyExpectedIsADefect) {
  EXPECT_EXIT(end_by([] { throw std::runtime_error("why"); }), ExitedWithCode(kCode), kDefect);
  EXPECT_EXIT(end_by([] { throw 7; }), ExitedWithCode(kCode), kDefect);
  EXPECT_EXIT(end_by([] { std::terminate(); }), ExitedWithCode(kCode), kDefect);
}

// As where a library's threads are destroyed unjoined, because one of them could not be started.
TEST_F(Ending, WhileAnExceptionIsOnItsWayNamesTheLikelyCause) {
  EXPECT_EXIT(end_by(end_on_the_way), ExitedWithCode(kCode), kNeed);
}

TEST_F(Ending, ByAbortPointsToTheReasonAbove) {
  EXPECT_EXIT(end_by([] { std::abort(); }), ExitedWithCode(kCode), "for the reason above.*do this");
}

TEST_F(Ending, AtTheFirstAllocationThatFails) {
  EXPECT_EXIT(end_by([] {
                end_where_memory_ends();
                try {
                  std::get_new_handler()();  // as operator new does
                } catch (const std::bad_alloc&) {
                  std::_Exit(0);
                }
              }),
              ExitedWithCode(kCode), kNeed);
}

// For ever, as a thread may that waits for somebody else.
[[noreturn]] void hang() {
  while (true) ::pause();
}

TEST_F(Ending, WhenTheTimeIsUpWhateverTheThreadsAreAt) {
  using namespace std::chrono_literals;
  EXPECT_EXIT(
      {
        end_after(50ms, kCode, "the time is up");
        hang();
      },
      ExitedWithCode(kCode), "the time is up");
}

// Nobody reads what it says, and who started it does not want its alarms.
TEST_F(Ending, WhenTheTimeIsUpAndStandardErrorIsFull) {
  using namespace std::chrono_literals;
  EXPECT_EXIT(
      {
        int ends[2];
        if (::pipe(ends) != 0 || ::fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0) std::_Exit(1);
        while (::write(ends[1], "x", 1) == 1) {
        }
        ::fcntl(ends[1], F_SETFL, 0);
        ::dup2(ends[1], STDERR_FILENO);
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
        end_after(50ms, kCode, "the time is up");
        hang();
      },
      ExitedWithCode(kCode), "");
}

}  // namespace
}  // namespace dataflow::cmd
