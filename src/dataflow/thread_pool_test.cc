// Goal: a pool runs what it is given on its threads, ends when there is no more of it, and neither
// waits nor runs on when it goes. (That it does not wait for threads that it could not start is
// seen from outside: tests/fault/test_limits.py.)
#include "dataflow/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <latch>
#include <optional>
#include <thread>

namespace dataflow {
namespace {

TEST(ThreadPool, RunsOnEachOfItsThreads) {
  constexpr int kThreads = 3;
  ThreadPool pool(kThreads);
  std::latch all(kThreads);  // passed by none before all are there
  std::atomic<int> passed = 0;
  for (int i = 0; i < kThreads; ++i) {
    boost::asio::post(pool.get_executor(), [&] {
      all.arrive_and_wait();
      ++passed;
    });
  }
  pool.join();
  EXPECT_EQ(passed, kThreads);
}

TEST(ThreadPool, OfNoThreadHasOne) {
  ThreadPool pool(0);
  auto answer = boost::asio::post(pool.get_executor(), boost::asio::use_future([] { return 8; }));
  EXPECT_EQ(answer.get(), 8);
}

TEST(ThreadPool, IsJoinedWhenNothingIsLeftToDo) {
  ThreadPool pool(1);
  int turns = 0;
  boost::asio::post(pool.get_executor(), [&] {
    ++turns;
    boost::asio::post(pool.get_executor(), [&] { ++turns; });
  });
  pool.join();
  EXPECT_EQ(turns, 2);
}

TEST(ThreadPool, ThatGoesFinishesWhatRunsAndNothingElse) {
  std::optional<ThreadPool> pool(std::in_place, 1);
  auto& context = pool->get_executor().context();
  std::promise<void> begun;
  std::promise<void> may_end;
  std::atomic<bool> ended = false;
  std::atomic<bool> next_ran = false;
  boost::asio::post(pool->get_executor(), [&] {
    boost::asio::post(pool->get_executor(), [&] { next_ran = true; });
    begun.set_value();
    may_end.get_future().wait();
    ended = true;
  });
  begun.get_future().wait();
  auto gone = std::async(std::launch::async, [&] { pool.reset(); });
  // The pool is told to stop before the call may end: a pool that ran on would run the next.
  while (!context.stopped()) std::this_thread::yield();
  may_end.set_value();
  gone.wait();
  EXPECT_TRUE(ended);
  EXPECT_FALSE(next_ran);
}

}  // namespace
}  // namespace dataflow
