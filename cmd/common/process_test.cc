// Goal: the first signal asks to stop, the second one ends the process; a broken pipe does neither.
#include "cmd/common/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace dataflow::cmd {
namespace {

TEST(StopSignals, TheFirstStopsAndTheSecondHasItsDefaultEffect) {
  for (const int signal : {SIGINT, SIGTERM}) {
    boost::asio::io_context io;
    int stopped_by = 0;
    StopSignals signals(io.get_executor(), [&](int number) { stopped_by = number; });
    ASSERT_EQ(raise(signal), 0);
    io.run();
    EXPECT_EQ(stopped_by, signal);
    struct sigaction now{};
    ASSERT_EQ(sigaction(signal, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
  }
}

TEST(StopSignals, CancelledItWaitsNoMore) {
  boost::asio::io_context io;
  bool stopped = false;
  StopSignals signals(io.get_executor(), [&](int) { stopped = true; });
  signals.cancel();
  io.run();
  EXPECT_FALSE(stopped);
}

TEST(ReloadSignal, EveryOneCallsAndAfterItsEndTheDefaultIsBack) {
  boost::asio::io_context io;
  int reloads = 0;
  {
    ReloadSignal signal(io.get_executor(), [&] { ++reloads; });
    for (int i = 1; i <= 3; ++i) {
      ASSERT_EQ(raise(SIGHUP), 0);
      while (reloads < i) io.run_one();
    }
  }
  io.run();
  EXPECT_EQ(reloads, 3);
  struct sigaction now{};
  ASSERT_EQ(sigaction(SIGHUP, nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
}

TEST(Logging, EachLineIsHandedOverWhole) {
  const auto before = spdlog::default_logger();
  std::vector<std::string> lines;
  start_logging([&](std::string& line) { lines.push_back(std::move(line)); });
  spdlog::info("one");
  spdlog::warn("two\nlines");
  spdlog::set_default_logger(before);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], testing::MatchesRegex("[-0-9T:.]+Z .*info.* one\n"));
  EXPECT_THAT(lines[1], testing::MatchesRegex("[-0-9T:.]+Z .*warning.* two.+lines\n"));
}

TEST(Process, ItsMemoryIsNotDumped) {
  ASSERT_EQ(prctl(PR_GET_DUMPABLE), 1);
  keep_memory_private();
  EXPECT_EQ(prctl(PR_GET_DUMPABLE), 0);
  prctl(PR_SET_DUMPABLE, 1);  // for the tests after this one
}

TEST(Process, ABrokenPipeIsAnErrorOfTheWrite) {
  survive_failed_writes();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(ends[1]);
}

TEST(Process, AFileBeyondTheLimitIsAnErrorOfItsWrite) {
  survive_failed_writes();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  rlimit small = before;
  small.rlim_cur = 1;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const ssize_t first = write(fileno(file), "x", 1);
  const ssize_t second = write(fileno(file), "x", 1);
  const int number = errno;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::fclose(file);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, -1);
  EXPECT_EQ(number, EFBIG);
}

TEST(Process, OpenFilesMayBeAsManyAsTheSystemAllows) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(raise_open_files_limit(), limit.rlim_max);
}

}  // namespace
}  // namespace dataflow::cmd
