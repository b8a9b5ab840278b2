#include "dataflow/s3/listing.h"

#include <algorithm>
#include <utility>

#include "dataflow/s3/name.h"
#include "dataflow/s3/pattern.h"

namespace dataflow::s3 {

PrefixListing::PrefixListing(std::shared_ptr<const Client> client, std::string prefix,
                             std::string pattern)
    : client_(std::move(client)), prefix_(std::move(prefix)), pattern_(std::move(pattern)) {}

Task<Result<std::vector<Object>>> PrefixListing::next() {
  if (put_back_) {
    auto objects = *std::exchange(put_back_, std::nullopt);
    co_return objects;
  }
  while (!begun_ || page_) {
    auto objects = co_await read_page();
    if (!objects || !objects->empty()) co_return objects;
  }
  co_return std::vector<Object>();
}

Task<Result<std::vector<Object>>> PrefixListing::read_page() {
  if (!begun_) {
    begun_ = true;
    auto first = client_->list(prefix_, after_);
    if (!first) co_return std::unexpected(std::move(first.error()));
    page_ = *std::move(first);
  }
  auto pending = *std::exchange(page_, std::nullopt);
  auto reply = co_await pending.get();
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  auto objects = to_objects(*reply);
  if (!objects) co_return objects;
  if (reply->number != 0) {
    auto following = client_->list(prefix_, after_);
    if (!following) co_return std::unexpected(std::move(following.error()));
    page_ = *std::move(following);
  }
  auto ordered = check_order(*objects);
  if (!ordered) co_return std::unexpected(std::move(ordered.error()));
  co_return objects;
}

Result<std::vector<Object>> PrefixListing::to_objects(const clients::Reply& reply) {
  std::vector<Object> objects;
  const std::string previous = after_;
  clients::Values values(reply);
  while (!values.done()) {
    auto object = client_->to_object(values);
    after_ = object.name.substr(to_name(client_->bucket(), "").size());
    if (object.size.value_or(0) == 0 && after_.ends_with('/')) {
      saw_marker_ = true;
    } else if (pattern_.empty() || matches(pattern_, after_)) {
      objects.push_back(std::move(object));
    }
  }
  if (reply.number != 0 && after_ == previous) {
    return fail(ErrorCode::kInvalid,
                to_name(client_->bucket(), prefix_) + ": the S3 endpoint's listing does not go on",
                "a truncated page without keys");
  }
  return objects;
}

// S3 lists in byte order. Stores that order otherwise inside a page (by UTF-16, say) are put right
// here; across pages that is not possible, and a listing in another order would make the last line
// of an id another one.
Result<void> PrefixListing::check_order(std::vector<Object>& objects) {
  if (objects.empty()) return {};
  std::ranges::sort(objects, {}, &Object::name);
  if (objects.front().name <= last_name_) {
    return fail(
        ErrorCode::kInvalid,
        to_name(client_->bucket(), prefix_) + ": the S3 endpoint does not list in byte order",
        objects.front().name + " after " + last_name_);
  }
  last_name_ = objects.back().name;
  return {};
}

}  // namespace dataflow::s3
