// The project's one asynchronous type: a lazily started Boost.Asio coroutine.
//
// A Task starts when it is awaited or spawned and runs on the executor it was started on. A
// capturing lambda is never a coroutine, and what outlives a suspension is taken by value.
// Callbacks of drivers only post to our executor: async_value() below is how they do it.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace dataflow {

template <class T>
using Task = boost::asio::awaitable<T>;

// Awaits one value that a foreign thread delivers. `start` is called at once with a callback;
// whoever holds the callback calls it exactly once, from any thread, with the value, which resumes
// the awaiting coroutine on its own executor. The value must be movable; it may be move-only.
// From the moment another thread can call the callback, `start` and all that it captures may be
// gone: it copies out what it needs before it hands the callback over.
//
// `start` is named, not a temporary: g++ 12 destroys a closure twice that is made inside an awaited
// expression and captures anything that has a destructor.
template <class T, class Start>
Task<T> async_value(Start& start) {
  auto token = boost::asio::use_awaitable;
  co_return co_await boost::asio::async_initiate<decltype(token), void(T)>(
      [](auto handler, Start* begin) {
        auto executor = boost::asio::get_associated_executor(handler);
        auto work = boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
        (*begin)(std::move_only_function<void(T)>(
            [handler = std::move(handler), work = std::move(work)](T value) mutable {
              // What counts as work of the executor leaves this thread with the post: whoever that
              // wakes may destroy the executor before this callback is destroyed.
              const auto target = boost::asio::get_associated_executor(handler);
              boost::asio::post(target, [handler = std::move(handler), work = std::move(work),
                                         value = std::move(value)]() mutable {
                std::move(handler)(std::move(value));
              });
            }));
      },
      token, &start);
}

// The same for a closure that captures nothing but references and plain values.
template <class T, class Start>
Task<T> async_value(Start&& start)
  requires(!std::is_lvalue_reference_v<Start> && std::is_trivially_destructible_v<Start>)
{
  // A copy in this frame: the temporary may be gone after the first suspension.
  Start kept = start;
  auto value = co_await async_value<T, Start>(kept);
  co_return std::move(value);
}

}  // namespace dataflow
