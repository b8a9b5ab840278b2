// Completion: how the Rust clients finish a call. C++ owns it; Rust calls complete() exactly once,
// from a thread of the clients' runtime. It only hands the reply on to an executor of ours (see
// call.h).
#pragma once

#include <functional>

namespace dataflow::clients {

struct Reply;

class Completion {
 public:
  // `done` gets the reply by pointer and may move it out (libstdc++ 12 needs a complete type for a
  // reference).
  explicit Completion(std::move_only_function<void(Reply*)> done);
  ~Completion();
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  void complete(Reply reply);

 private:
  std::move_only_function<void(Reply*)> done_;
};

}  // namespace dataflow::clients
