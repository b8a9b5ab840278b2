// Goal: a run that is told to stop ends then, whatever it waits for of its sources, and tells what
// it has done.
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "dataflow/mock/fetch.h"
#include "dataflow/mock/product_service.h"
#include "dataflow/pipeline/pipeline_fixture.h"

namespace dataflow::pipeline {
namespace {

// What a call waits for until the test lets it go; much later it fails by itself, so that a run
// that waits for it fails the test and does not hang.
class Hold {
 public:
  std::function<void()> when_waiting = [] {};

  template <class T>
  static Task<Result<T>> wait(std::shared_ptr<Hold> hold) {
    constexpr std::chrono::seconds kFarTooLong{30};
    // Of this coroutine, not of the hold, which outlives the executor.
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, kFarTooLong);
    hold->timer_ = &timer;
    hold->when_waiting();
    const auto [error] =
        co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    hold->timer_ = nullptr;
    co_return fail(ErrorCode::kInternal,
                   error ? "let go: nobody waits for this any more" : "the run waited for this");
  }

  void let_go() {
    if (timer_ != nullptr) timer_->cancel();
  }

 private:
  boost::asio::steady_timer* timer_ = nullptr;
};

using Tell = std::function<void(Pipeline&)>;

// Where the run is asked what it has done, what it waits for goes on afterwards.
Task<Result<Summary>> stop_while_it_waits(Options options, Pipeline::Parts parts,
                                          std::shared_ptr<Hold> hold, Tell tell) {
  auto executor = co_await boost::asio::this_coro::executor;
  auto pipeline = std::make_unique<Pipeline>(std::move(options), std::move(parts), executor);
  hold->when_waiting = [&] {
    pipeline->stop(Stop::kInterrupted);
    if (!tell) return;
    tell(*pipeline);
    boost::asio::post(executor, [hold] { hold->let_go(); });
  };
  auto summary = co_await pipeline->run();
  pipeline.reset();
  hold->let_go();
  co_return summary;
}

class PipelineStopTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    disturbed_ = std::make_shared<mock::Fetch>(*fetch_);
  }

  // Stops the run as soon as it waits for hold_.
  Summary load_and_stop(std::string source) {
    Pipeline::Parts parts;
    parts.sources = {{disturbed_, std::move(source)}};
    parts.store = store_used_;
    parts.cache = cache_used_;
    parts.make_spill = make_spill_;
    parts.warn = [this](std::string_view text) { warnings_.emplace_back(text); };
    auto summary = mock::wait(stop_while_it_waits(options_, std::move(parts), hold_, tell_));
    if (!summary) {
      ADD_FAILURE() << summary.error().describe();
      return {};
    }
    EXPECT_EQ(summary->stop, Stop::kInterrupted);
    EXPECT_TRUE(summary->errors.empty()) << summary->errors[0].describe();
    return std::move(*summary);
  }

  std::shared_ptr<Hold> hold_ = std::make_shared<Hold>();
  std::shared_ptr<mock::Fetch> disturbed_;
  Tell tell_;
};

TEST_F(PipelineStopTest, AListingThatIsNotAnswered) {
  disturbed_->list_fn = [this](std::string_view) {
    return Hold::wait<std::unique_ptr<dataflow::Listing>>(hold_);
  };
  const Summary summary = load_and_stop("*");
  EXPECT_EQ(summary.files, 0u);
}

TEST_F(PipelineStopTest, AListingThatDoesNotGoOn) {
  fetch_->put("a", line(1, "one"));
  disturbed_->list_fn = [this](std::string_view) {
    auto listing = std::make_unique<mock::Listing>();
    listing->next_fn = [this] { return Hold::wait<std::vector<Object>>(hold_); };
    return Result<std::unique_ptr<dataflow::Listing>>(std::move(listing));
  };
  const Summary summary = load_and_stop("*");
  EXPECT_EQ(summary.files, 0u);
}

TEST_F(PipelineStopTest, AnObjectThatDoesNotOpenAndWhatWasReadBeforeIsToldAndKept) {
  options_.objects_in_flight = 1;
  fetch_->put("a", line(1, "one") + "bad\n");
  fetch_->put("b", line(2, "two"));
  disturbed_->open_fn = [this](const Object& object) {
    if (object.name == "a") return fetch_->open(object);
    return Hold::wait<std::unique_ptr<dataflow::Reader>>(hold_);
  };
  const Summary summary = load_and_stop("*");
  EXPECT_EQ(summary.files, 2u);
  EXPECT_EQ(summary.counts.written, 1u);
  EXPECT_FALSE(summary.rejects.lines.empty());
  EXPECT_EQ(content(options_.rejects), "bad\n");
  EXPECT_EQ(titles(), (Titles{{1, "one"}}));
  // What was stopped is not known as stored.
  EXPECT_EQ(load({"b"}).counts.written, 1u);
}

TEST_F(PipelineStopTest, AnObjectThatChangedAndIsNotSeenAnew) {
  fetch_->put("a", line(1, "one"));
  fetch_->before_read = [](const Object&, std::uint64_t) -> Result<void> {
    return fail(ErrorCode::kConflict, "it has changed");
  };
  disturbed_->stat_fn = [this](std::string_view) { return Hold::wait<Object>(hold_); };
  EXPECT_EQ(load_and_stop("a").counts.written, 0u);
}

Task<Result<void>> write_after(std::shared_ptr<Hold> hold) {
  auto held = co_await Hold::wait<int>(hold);
  co_return Result<void>();
}

// As a signal's time to drain may be up before a store has answered.
TEST_F(PipelineStopTest, WhatARunHasDoneIsToldWhileItStillWaitsForTheStore) {
  options_.block_bytes = 64;
  fetch_->put("a", "bad\n" + line(1, std::string(64, 'x')));
  mock::ProductService store(store_);
  store.save_many_fn = [this](std::span<const ProductView>, WriteTime, std::span<bool>) {
    return write_after(hold_);
  };
  store_used_ = &store;
  std::optional<Summary> meanwhile;
  std::string rejects;
  tell_ = [&](Pipeline& pipeline) {
    meanwhile = pipeline.summary();
    rejects = content(options_.rejects);
  };
  const Summary summary = load_and_stop("a");
  ASSERT_TRUE(meanwhile);
  EXPECT_EQ(meanwhile->files, 1u);
  EXPECT_EQ(meanwhile->stop, Stop::kInterrupted);
  EXPECT_EQ(meanwhile->counts.rejected, 1u);
  EXPECT_EQ(meanwhile->counts.written, 0u);
  EXPECT_FALSE(meanwhile->rejects.lines.empty());
  EXPECT_EQ(rejects, "bad\n");
  // Told once: what it does afterwards changes nothing of it.
  EXPECT_EQ(summary.counts.written, 0u);
  EXPECT_FALSE(summary.rejects.lines.empty());
}

}  // namespace
}  // namespace dataflow::pipeline
