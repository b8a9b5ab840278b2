// Goal: a wait ends with its task or with the run, whichever comes first, on whatever thread that
// happens, also while the wait is only beginning.
#include "dataflow/pipeline/stop_source.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "dataflow/mock/wait.h"

namespace dataflow::pipeline {
namespace {

Task<std::string> text_of(std::shared_ptr<std::string> text) { co_return *text; }

Task<std::string> never(std::shared_ptr<std::move_only_function<void(std::string)>> later) {
  auto start = [later](auto done) { *later = std::move(done); };
  auto text = co_await async_value<std::string>(start);
  co_return std::move(text);
}

Task<std::optional<std::string>> wait_for_text(std::shared_ptr<StopSource> stop) {
  auto text =
      std::make_shared<std::string>("a text that is longer than what a string holds itself");
  auto task = text_of(text);
  auto got = co_await stop->unless_stopped(std::move(task), text);
  co_return std::move(got);
}

TEST(StopSource, ATaskThatEndsFirstIsTheResult) {
  const auto got = mock::wait(wait_for_text(std::make_shared<StopSource>()));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->starts_with("a text"));
}

TEST(StopSource, TheFirstReasonCounts) {
  StopSource stop;
  EXPECT_FALSE(stop.stopped());
  stop.stop(Stop::kMaxErrors);
  stop.stop(Stop::kInterrupted);
  EXPECT_EQ(stop.reason(), Stop::kMaxErrors);
}

Task<bool> is_stopped_while_it_waits(StopSource& stop) {
  auto later = std::make_shared<std::move_only_function<void(std::string)>>();
  auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::post(executor, [&stop] { stop.stop(Stop::kInterrupted); });
  auto task = never(later);
  auto got = co_await stop.unless_stopped(std::move(task), later);
  // The task goes on by itself and is dropped.
  (*later)("late");
  co_return !got;
}

TEST(StopSource, AStopEndsAWaitWhoseTaskGoesOn) {
  StopSource stop;
  EXPECT_TRUE(mock::wait(is_stopped_while_it_waits(stop)));
}

// The wait may then be over, and its frame gone, on another thread before the task was begun.
TEST(StopSource, AStopMayComeWhileAWaitBegins) {
  constexpr int kWaits = 100'000;
  boost::asio::thread_pool pool(4);
  std::vector<std::future<std::optional<std::string>>> waits;
  waits.reserve(kWaits);
  for (int i = 0; i < kWaits; ++i) {
    auto stop = std::make_shared<StopSource>();
    stop->stop(Stop::kInterrupted);
    waits.push_back(boost::asio::co_spawn(pool, wait_for_text(stop), boost::asio::use_future));
  }
  for (auto& wait : waits) EXPECT_FALSE(wait.get());
}

}  // namespace
}  // namespace dataflow::pipeline
