// Budget: bytes that many readers may hold together.
//
// Thread safety: everything may be called from any thread. A Lease keeps its budget alive.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace dataflow::s3 {

class Budget : public std::enable_shared_from_this<Budget> {
 public:
  // Bytes that are taken until it is destroyed.
  class Lease {
   public:
    Lease() = default;
    Lease(std::shared_ptr<Budget> budget, std::size_t bytes)
        : budget_(std::move(budget)), bytes_(bytes) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Lease() {
      if (budget_) budget_->taken_ -= bytes_;
    }

   private:
    std::shared_ptr<Budget> budget_;
    std::size_t bytes_ = 0;
  };

  explicit Budget(std::size_t bytes) : bytes_(bytes) {}

  // Whatever is taken already: for bytes without which nothing goes on.
  Lease take(std::size_t bytes) {
    taken_ += bytes;
    return {shared_from_this(), bytes};
  }

  // Only what is free.
  std::optional<Lease> try_take(std::size_t bytes) {
    std::size_t taken = taken_;
    do {
      if (taken + bytes > bytes_) return std::nullopt;
    } while (!taken_.compare_exchange_weak(taken, taken + bytes));
    return Lease(shared_from_this(), bytes);
  }

  std::size_t taken() const { return taken_; }

 private:
  const std::size_t bytes_;
  std::atomic<std::size_t> taken_ = 0;
};

}  // namespace dataflow::s3
