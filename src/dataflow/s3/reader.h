// RangeReader: one version of one S3 object, read in ranges that are under way at the same time and
// delivered in order. For the .cc files of this folder only.
//
// Every range asks for the version's ETag (If-Match); without one the object's size has to stay the
// same. Ranges that are under way when the reader is destroyed finish by themselves.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dataflow/fetch.h"
#include "dataflow/s3/client.h"

namespace dataflow::s3 {

class RangeReader final : public dataflow::Reader {
 public:
  // `etag` may be empty: any version of `size` bytes.
  RangeReader(std::shared_ptr<const Client> client, std::shared_ptr<Budget> budget,
              const Options& options, std::string key, std::string etag, std::uint64_t size);

  // Waits for the first range: the version is there.
  Task<Result<void>> open();

  Task<Result<std::size_t>> read(std::span<char> buffer) override;
  std::string_view coding() const override { return coding_; }

 private:
  struct Part {
    PendingReply pending;
    std::optional<clients::Reply> reply;
    std::size_t delivered = 0;
  };

  Result<void> begin_parts();
  Task<Result<void>> await_front();

  const std::shared_ptr<const Client> client_;
  const std::shared_ptr<Budget> budget_;
  const std::uint64_t part_bytes_;
  const std::size_t parts_per_object_;
  const std::string key_;
  const std::string etag_;
  const std::uint64_t size_;
  std::uint64_t begun_ = 0;      // bytes asked for
  std::uint64_t delivered_ = 0;  // bytes given to the caller
  std::string coding_;           // known once it is open
  std::deque<Part> parts_;
  std::optional<Error> failed_;
};

}  // namespace dataflow::s3
