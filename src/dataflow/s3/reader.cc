#include "dataflow/s3/reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataflow/s3/name.h"

namespace dataflow::s3 {

RangeReader::RangeReader(std::shared_ptr<const Client> client, std::shared_ptr<Budget> budget,
                         const Options& options, std::string key, std::string etag,
                         std::uint64_t size)
    : client_(std::move(client)),
      budget_(std::move(budget)),
      part_bytes_(std::max<std::size_t>(options.part_bytes, 1)),
      parts_per_object_(std::max<std::size_t>(options.parts_per_object, 1)),
      key_(std::move(key)),
      etag_(std::move(etag)),
      size_(size) {}

Task<Result<void>> RangeReader::open() {
  auto begun = begin_parts();
  if (!begun) co_return begun;
  auto there = co_await await_front();
  if (there) coding_ = std::string(parts_.front().reply->word);
  co_return there;
}

Task<Result<std::size_t>> RangeReader::read(std::span<char> buffer) {
  if (failed_) co_return std::unexpected(*failed_);
  if (delivered_ == size_) co_return std::size_t{0};
  auto there = co_await await_front();
  if (!there) co_return std::unexpected(std::move(there.error()));

  Part& front = parts_.front();
  const auto& bytes = front.reply->bytes;
  const std::size_t count = std::min(buffer.size(), bytes.size() - front.delivered);
  std::memcpy(buffer.data(), bytes.data() + front.delivered, count);
  front.delivered += count;
  delivered_ += count;
  if (front.delivered == bytes.size()) {
    parts_.pop_front();
    auto begun = begin_parts();
    if (!begun) failed_ = std::move(begun.error());
  }
  co_return count;
}

// The range that the caller needs next is begun in any case, those after it as far as the budget
// goes: readers never wait for each other.
Result<void> RangeReader::begin_parts() {
  while (begun_ < size_ && parts_.size() < parts_per_object_) {
    const std::uint64_t length = std::min(part_bytes_, size_ - begun_);
    auto lease = parts_.empty() ? std::optional(budget_->take(length)) : budget_->try_take(length);
    if (!lease) break;
    auto pending = client_->get(key_, begun_, length, etag_, *std::move(lease));
    if (!pending) return std::unexpected(std::move(pending.error()));
    parts_.push_back(Part{*std::move(pending), std::nullopt});
    begun_ += length;
  }
  return {};
}

Task<Result<void>> RangeReader::await_front() {
  Part& front = parts_.front();
  if (front.reply) co_return Result<void>();
  auto reply = co_await front.pending.get();
  if (!reply) {
    failed_ = std::move(reply.error());
  } else if (static_cast<std::uint64_t>(reply->number) != size_) {
    failed_ = Error{
        ErrorCode::kConflict, to_name(client_->bucket(), key_) + " has changed since it was listed",
        "it has " + std::to_string(reply->number) + " bytes instead of " + std::to_string(size_)};
  } else {
    front.reply = *std::move(reply);
    co_return Result<void>();
  }
  parts_.clear();
  co_return std::unexpected(*failed_);
}

}  // namespace dataflow::s3
