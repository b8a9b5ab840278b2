// Goal: every line arrives whole, and a reader that does not read costs lines, not memory or time.
#include "dataflow/http/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <vector>

namespace dataflow::http {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(pipe(ends), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  void close_reader() {
    if (ends[0] >= 0) close(std::exchange(ends[0], -1));
  }
  void close_writer() {
    if (ends[1] >= 0) close(std::exchange(ends[1], -1));
  }
  std::string read_all() {
    std::string all;
    char buffer[65'536];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(n));
    }
    return all;
  }
  int ends[2] = {-1, -1};
};

TEST(AccessLogWriter, LinesOfSeveralThreadsArriveWhole) {
  constexpr int kThreads = 4;
  constexpr int kLines = 5'000;
  Pipe pipe;
  std::string all;
  std::thread reader([&] { all = pipe.read_all(); });
  {
    AccessLog log(pipe.ends[1]);
    std::vector<std::thread> writers;
    for (int t = 0; t < kThreads; ++t) {
      writers.emplace_back([&log, t] {
        for (int i = 0; i < kLines; ++i) {
          std::string line = std::string(60, static_cast<char>('a' + t)) + "\n";
          log.write(line);
          EXPECT_TRUE(line.empty());
        }
      });
    }
    for (auto& writer : writers) writer.join();
  }
  pipe.close_writer();
  reader.join();
  ASSERT_EQ(all.size(), 61U * kThreads * kLines);
  for (std::size_t at = 0; at < all.size(); at += 61) {
    ASSERT_EQ(all.find_first_not_of(all[at], at), at + 60);
  }
}

TEST(AccessLogWriter, AReaderThatDoesNotReadCostsLinesWhichAreCounted) {
  Pipe pipe;
  std::string all;
  std::thread reader;
  {
    AccessLog log(pipe.ends[1]);
    for (std::size_t sent = 0; sent < 3 * AccessLog::kMaxPending; sent += 1 << 20) {
      std::string lines;
      while (lines.size() < 1 << 20) lines += std::string(1'023, 'x') + "\n";
      log.write(lines);
    }
    reader = std::thread([&] { all = pipe.read_all(); });
  }
  pipe.close_writer();
  reader.join();
  EXPECT_THAT(all, ::testing::ContainsRegex("\n# [0-9]+ lines were dropped\n"));
}

TEST(AccessLogWriter, NobodyReadingDoesNotHoldUpTheEnd) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe full;
  const auto began = std::chrono::steady_clock::now();
  {
    AccessLog log(full.ends[1]);
    std::string lines(1 << 20, '\n');
    log.write(lines);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  Pipe gone;
  gone.close_reader();
  AccessLog log(gone.ends[1]);
  std::string lines = "x\n";
  log.write(lines);
}

}  // namespace
}  // namespace dataflow::http
