// Goal: every line arrives whole, and a reader that does not read costs lines, not memory or time.
#include "cmd/common/line_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <thread>
#include <vector>

namespace dataflow::cmd {
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

TEST(LineWriter, LinesOfSeveralThreadsArriveWhole) {
  constexpr int kThreads = 4;
  constexpr int kLines = 5'000;
  Pipe pipe;
  std::string all;
  std::thread reader([&] { all = pipe.read_all(); });
  {
    LineWriter writer(pipe.ends[1]);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&writer, t] {
        for (int i = 0; i < kLines; ++i) {
          std::string line = std::string(60, static_cast<char>('a' + t)) + "\n";
          writer.write(line);
          EXPECT_TRUE(line.empty());
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  pipe.close_writer();
  reader.join();
  ASSERT_EQ(all.size(), 61U * kThreads * kLines);
  for (std::size_t at = 0; at < all.size(); at += 61) {
    ASSERT_EQ(all.find_first_not_of(all[at], at), at + 60);
  }
}

TEST(LineWriter, AReaderThatDoesNotReadCostsLinesWhichAreCounted) {
  Pipe pipe;
  std::string all;
  std::thread reader;
  {
    LineWriter writer(pipe.ends[1]);
    for (std::size_t sent = 0; sent < 3 * LineWriter::kMaxPending; sent += 1 << 20) {
      std::string lines;
      while (lines.size() < 1 << 20) lines += std::string(1'023, 'x') + "\n";
      writer.write(lines);
    }
    reader = std::thread([&] { all = pipe.read_all(); });
  }
  pipe.close_writer();
  reader.join();
  EXPECT_THAT(all, ::testing::ContainsRegex("\n# [0-9]+ lines were dropped\n"));
}

TEST(LineWriter, NobodyReadingDoesNotHoldUpTheEnd) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe full;
  const auto began = std::chrono::steady_clock::now();
  {
    LineWriter writer(full.ends[1]);
    std::string lines(1 << 20, '\n');
    writer.write(lines);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  Pipe gone;
  gone.close_reader();
  LineWriter writer(gone.ends[1]);
  std::string lines = "x\n";
  writer.write(lines);
}

TEST(LineWriter, AWriteThatBlocksDoesNotHoldUpTheEndEither) {
  // Writable to poll(2), and yet these 8 bytes, which are added to it, do not fit: as a pipe that
  // another process fills in between.
  constexpr unsigned kCount = 1'000;
  const int counter = eventfd(kCount, 0);
  {
    LineWriter writer(counter);
    std::string line = "\n" + std::string(7, '\xff');
    writer.write(line);
  }
  std::uint64_t counted = 0;
  EXPECT_EQ(read(counter, &counted, sizeof counted), 8);
  EXPECT_EQ(counted, kCount);  // the thread that was left behind goes on, so the descriptor stays
}

TEST(LineWriter, AfterTheEndNothingIsWritten) {
  Pipe pipe;
  LineWriter writer(pipe.ends[1]);
  std::string line = "first\n";
  writer.write(line);
  writer.end();
  line = "second\n";
  writer.write(line);
  writer.end();
  pipe.close_writer();
  EXPECT_EQ(pipe.read_all(), "first\n");
}

}  // namespace
}  // namespace dataflow::cmd
