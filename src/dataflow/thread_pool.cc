#include "dataflow/thread_pool.h"

namespace dataflow {

ThreadPool::ThreadPool(std::size_t threads)
    : context_(static_cast<int>(threads)), work_(context_.get_executor()) {
  threads_.reserve(threads);
  try {
    do {
      threads_.emplace_back([this] { context_.run(); });
    } while (threads_.size() < threads);
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
  std::lock_guard nobody_posts(posting_);
}

void ThreadPool::stop() {
  context_.stop();
  join();
}

void ThreadPool::join() {
  work_.reset();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace dataflow
