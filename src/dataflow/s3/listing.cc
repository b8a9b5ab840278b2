#include "dataflow/s3/listing.h"

#include <algorithm>
#include <utility>

#include "dataflow/s3/name.h"
#include "dataflow/s3/pattern.h"

namespace dataflow::s3 {

namespace {

// Some stores pass over deleted keys a page at a time.
constexpr int kMostPagesWithoutKeys = 1000;

}  // namespace

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
    auto first = client_->list(prefix_, after_, token_);
    if (!first) co_return std::unexpected(std::move(first.error()));
    page_ = *std::move(first);
  }
  auto pending = *std::exchange(page_, std::nullopt);
  auto reply = co_await pending.get();
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  auto objects = to_objects(*reply);
  if (!objects) co_return objects;
  if (reply->number != 0) {
    auto following = client_->list(prefix_, after_, token_);
    if (!following) co_return std::unexpected(std::move(following.error()));
    page_ = *std::move(following);
  }
  auto ordered = check_order(*objects);
  if (!ordered) co_return std::unexpected(std::move(ordered.error()));
  co_return objects;
}

Result<std::vector<Object>> PrefixListing::to_objects(const clients::Reply& reply) {
  std::vector<Object> objects;
  std::string largest;
  clients::Values values(reply);
  while (!values.done()) {
    auto object = client_->to_object(values);
    after_ = object.name.substr(to_name(client_->bucket(), "").size());
    largest = std::max(largest, after_);
    if (object.size.value_or(0) == 0 && after_.ends_with('/')) {
      saw_marker_ = true;
    } else if (pattern_.empty() || matches(pattern_, after_)) {
      objects.push_back(std::move(object));
    }
  }
  auto checked = check_progress(reply, largest);
  if (!checked) return std::unexpected(std::move(checked.error()));
  return objects;
}

// Each page that has another one behind it brings a larger key than all before, or says that there
// is none and where to go on: so a listing ends, whatever the endpoint sends.
Result<void> PrefixListing::check_progress(const clients::Reply& reply,
                                           const std::string& largest) {
  if (reply.number == 0) return {};
  const auto does_not_go_on = [this](std::string why) {
    return fail(ErrorCode::kInvalid,
                to_name(client_->bucket(), prefix_) + ": the S3 endpoint's listing does not go on",
                std::move(why));
  };
  token_ = static_cast<std::string>(reply.word);
  if (largest.empty()) {
    if (token_.empty()) return does_not_go_on("a truncated page without keys");
    if (++pages_without_keys_ <= kMostPagesWithoutKeys) return {};
    return does_not_go_on(std::to_string(pages_without_keys_) + " pages without keys");
  }
  pages_without_keys_ = 0;
  if (largest <= largest_) return does_not_go_on(largest + " after " + largest_);
  largest_ = largest;
  return {};
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
