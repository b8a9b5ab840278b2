#include "dataflow/s3/client.h"

#include <charconv>
#include <stdexcept>
#include <utility>

#include "dataflow/s3/name.h"

namespace dataflow::s3 {

namespace {

// Keys are UTF-8; the bridge refuses anything else with an exception.
Result<rust::Str> utf8(const std::string& text) {
  try {
    return rust::Str(text);
  } catch (const std::invalid_argument&) {
    return fail(ErrorCode::kInvalid, "\"" + text + "\" is no S3 key: it is not UTF-8");
  }
}

std::uint32_t to_ms(std::chrono::milliseconds duration) {
  return static_cast<std::uint32_t>(duration.count());
}

clients::S3Options to_bridge(const Options& options, const std::string& bucket) {
  clients::S3Options result;
  result.bucket = bucket;
  result.region = options.region;
  result.endpoint = options.endpoint;
  result.tls.enabled = true;
  result.tls.ca_file = options.ca_file;
  result.tls.cert_file = options.cert_file;
  result.tls.key_file = options.key_file;
  result.connect_timeout_ms = to_ms(options.connect_timeout);
  result.request_timeout_ms = to_ms(options.request_timeout);
  result.retries = options.retries;
  result.retry_timeout_ms = to_ms(options.retry_timeout);
  return result;
}

}  // namespace

struct PendingReply::State {
  Budget::Lease lease;
  std::mutex mutex;
  std::optional<clients::Reply> reply;
  std::move_only_function<void(clients::Reply)> waiter;
};

PendingReply::PendingReply(Budget::Lease lease) : state_(std::make_shared<State>()) {
  state_->lease = std::move(lease);
}

std::unique_ptr<clients::Completion> PendingReply::completion() {
  return std::make_unique<clients::Completion>([state = state_](clients::Reply* reply) {
    std::unique_lock lock(state->mutex);
    if (!state->waiter) {
      state->reply = std::move(*reply);
      return;
    }
    auto waiter = std::move(state->waiter);
    lock.unlock();
    waiter(std::move(*reply));
  });
}

Task<Result<clients::Reply>> PendingReply::get() {
  // The coroutine may be over before the closure is: the closure's own copy keeps the state.
  auto begin = [state = state_](auto done) {
    const auto kept = state;
    std::unique_lock lock(kept->mutex);
    if (!kept->reply) {
      kept->waiter = std::move(done);
      return;
    }
    lock.unlock();
    done(*std::move(kept->reply));
  };
  clients::Reply reply = co_await async_value<clients::Reply>(begin);
  if (reply.status != clients::Status::Ok) co_return std::unexpected(clients::error_of(reply));
  co_return std::move(reply);
}

Client::Client(const Options& options, std::string bucket)
    : bucket_(std::move(bucket)), s3_(clients::s3_new(to_bridge(options, bucket_))) {}

Result<PendingReply> Client::list(const std::string& prefix, const std::string& after,
                                  const std::string& token) const {
  const auto prefix_str = utf8(prefix);
  if (!prefix_str) return std::unexpected(prefix_str.error());
  const auto after_str = utf8(after);
  if (!after_str) return std::unexpected(after_str.error());
  const auto token_str = utf8(token);
  if (!token_str) return std::unexpected(token_str.error());
  PendingReply pending;
  s3_->list(*prefix_str, *after_str, *token_str, pending.completion());
  return pending;
}

Task<Result<Object>> Client::head(std::string key) const {
  const auto key_str = utf8(key);
  if (!key_str) co_return std::unexpected(key_str.error());
  PendingReply pending;
  s3_->head(*key_str, pending.completion());
  auto reply = co_await pending.get();
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  clients::Values values(*reply);
  co_return to_object(values);
}

Result<PendingReply> Client::get(const std::string& key, std::uint64_t offset, std::uint64_t length,
                                 const std::string& etag, Budget::Lease lease) const {
  const auto key_str = utf8(key);
  if (!key_str) return std::unexpected(key_str.error());
  const auto etag_str = utf8(etag);
  if (!etag_str) return std::unexpected(etag_str.error());
  PendingReply pending(std::move(lease));
  s3_->get(*key_str, offset, length, *etag_str, pending.completion());
  return pending;
}

Object Client::to_object(clients::Values& values) const {
  const std::string_view key = values.next().bytes;
  const std::string_view etag = values.next().bytes;
  const std::string_view size_text = values.next().bytes;
  Object object{to_name(bucket_, key), std::nullopt, {}};
  if (!size_text.empty()) {
    std::uint64_t size = 0;
    std::from_chars(size_text.data(), size_text.data() + size_text.size(), size);
    object.size = size;
    if (!etag.empty()) object.version = std::string(etag).append(":").append(size_text);
  }
  return object;
}

}  // namespace dataflow::s3
