// Method: the function behind one method of a mock. A std::function of Task<Result<T>> that can
// also be given a plain function which returns the result (or the value, or fail(...)) at once:
//
//   mock::ProductService products;
//   products.find_fn = [](ProductId id) { return fail(ErrorCode::kNotFound, "no product"); };
//   products.find_fn = [&io](ProductId id) { return slow_find(io, id); };  // slow_find is a
//   coroutine
//
// A method that a test did not expect to be called has no function: calling it is an error
// (kInternal) that names it. Not thread safe to assign while it is called; the function answers for
// its own threads.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow::mock {

// A task that has its result already.
template <class T>
Task<Result<T>> ready(Result<T> result) {
  co_return std::move(result);
}

template <class Signature>
class Method;

template <class T, class... Args>
class Method<Result<T>(Args...)> {
 public:
  explicit Method(const char* name) : name_(name) {}

  // `function` is called when the method is, not when its task is awaited.
  template <class Function>
    requires std::invocable<Function&, Args...>
  Method& operator=(Function function) {
    using Returned = std::invoke_result_t<Function&, Args...>;
    if constexpr (std::convertible_to<Returned, Task<Result<T>>>) {
      call_ = std::move(function);
    } else if constexpr (std::is_void_v<Returned>) {
      call_ = [function = std::move(function)](Args... args) mutable {
        function(std::forward<Args>(args)...);
        return ready<T>({});
      };
    } else {
      call_ = [function = std::move(function)](Args... args) mutable {
        return ready<T>(Result<T>(function(std::forward<Args>(args)...)));
      };
    }
    return *this;
  }

  Task<Result<T>> operator()(Args... args) const {
    if (!call_) {
      return ready<T>(fail(ErrorCode::kInternal, std::string(name_) + " was not expected"));
    }
    return call_(std::forward<Args>(args)...);
  }

 private:
  const char* name_;
  std::function<Task<Result<T>>(Args...)> call_;
};

}  // namespace dataflow::mock
