#include "clients/completion.h"

#include <utility>

#include "clients/src/bridge.rs.h"

// ThreadSanitizer sees our side only, and not how Rust hands a completion from the thread that
// began the call to the one that finishes it: it is told.
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#else
#define __tsan_release(address) static_cast<void>(address)
#define __tsan_acquire(address) static_cast<void>(address)
#endif

namespace dataflow::clients {

Completion::Completion(std::move_only_function<void(Reply*)> done) : done_(std::move(done)) {
  __tsan_release(this);
}

Completion::~Completion() { __tsan_acquire(this); }

void Completion::complete(Reply reply) {
  __tsan_acquire(this);
  done_(&reply);
}

}  // namespace dataflow::clients
