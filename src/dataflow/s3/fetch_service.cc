#include "dataflow/s3/fetch_service.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/s3/client.h"
#include "dataflow/s3/listing.h"
#include "dataflow/s3/name.h"
#include "dataflow/s3/pattern.h"
#include "dataflow/s3/reader.h"

namespace dataflow::s3 {

struct FetchService::Shared {
  explicit Shared(Options from)
      : options(std::move(from)), budget(std::make_shared<Budget>(options.max_buffered_bytes)) {}

  std::shared_ptr<const Client> client(const std::string& bucket) {
    const std::scoped_lock lock(mutex);
    auto& client = clients[bucket];
    if (!client) client = std::make_shared<const Client>(options, bucket);
    return client;
  }

  const Options options;
  const std::shared_ptr<Budget> budget;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Client>> clients;
};

namespace {

using ListingResult = Result<std::unique_ptr<dataflow::Listing>>;
using ReaderResult = Result<std::unique_ptr<dataflow::Reader>>;

ListingResult single(Object object) { return std::make_unique<SingleListing>(std::move(object)); }

Task<ListingResult> list_prefix(std::shared_ptr<const Client> client, std::string prefix,
                                std::string pattern) {
  auto listing = std::make_unique<PrefixListing>(client, prefix, pattern);
  auto first = co_await listing->next();
  if (!first) co_return std::unexpected(std::move(first.error()));
  if (first->empty()) {
    // An empty bucket and a folder with nothing but its marker are there; nothing else is.
    bool folder = pattern.empty() && (prefix.empty() || listing->saw_marker());
    if (!folder && pattern.empty() && prefix.ends_with('/')) {
      // Stores over a file system do not list a folder in itself.
      auto marker = co_await client->head(prefix);
      folder = marker.has_value();
    }
    if (!folder) {
      const std::string name = to_name(client->bucket(), pattern.empty() ? prefix : pattern);
      co_return fail(ErrorCode::kNotFound, "no S3 object matches " + name);
    }
  } else if (pattern.empty() && !prefix.ends_with('/') &&
             first->front().name == to_name(client->bucket(), prefix)) {
    co_return single(std::move(first->front()));
  }
  listing->put_back(*std::move(first));
  co_return ListingResult(std::move(listing));
}

Task<ListingResult> list_pattern(std::shared_ptr<const Client> client, std::string pattern) {
  if (pattern.ends_with('/')) {
    // A folder's name may have every character.
    auto folder = co_await list_prefix(client, pattern, {});
    if (folder || folder.error().code != ErrorCode::kNotFound) co_return std::move(folder);
  } else {
    auto literal = co_await client->head(pattern);
    if (literal) co_return single(*std::move(literal));
    // Any other error the listing meets as well, and can tell more of it.
    if (literal.error().code == ErrorCode::kUnavailable) {
      co_return std::unexpected(std::move(literal.error()));
    }
  }
  std::string prefix(literal_prefix(pattern));
  co_return co_await list_prefix(std::move(client), std::move(prefix), std::move(pattern));
}

Task<Result<Object>> stat_name(std::shared_ptr<const Client> client, std::string key) {
  co_return co_await client->head(std::move(key));
}

// The ETag in a version, which is "ETag:size".
Result<std::string> etag_of(const Object& object) {
  if (object.version.empty()) return std::string();
  const std::size_t colon = object.version.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return fail(ErrorCode::kInvalid,
                object.name + ": \"" + object.version + "\" is no version of it");
  }
  return object.version.substr(0, colon);
}

Error changed(const Object& object, const Object& now) {
  return {ErrorCode::kConflict, object.name + " has changed since it was listed",
          "version " + now.version + " instead of " + object.version};
}

Task<ReaderResult> open_object(std::shared_ptr<const Client> client, std::shared_ptr<Budget> budget,
                               Options options, std::string key, Object object) {
  // There is no range of an empty object to ask for.
  if (object.size.value_or(0) == 0) {
    auto now = co_await client->head(key);
    if (!now) co_return std::unexpected(std::move(now.error()));
    const bool other_version = !object.version.empty() && object.version != now->version;
    if (other_version || (object.size && object.size != now->size)) {
      co_return std::unexpected(changed(object, *now));
    }
    object = *std::move(now);
  }
  auto etag = etag_of(object);
  if (!etag) co_return std::unexpected(std::move(etag.error()));
  auto reader = std::make_unique<RangeReader>(std::move(client), std::move(budget), options,
                                              std::move(key), *std::move(etag), *object.size);
  if (*object.size > 0) {
    auto opened = co_await reader->open();
    if (!opened) co_return std::unexpected(std::move(opened.error()));
  }
  co_return ReaderResult(std::move(reader));
}

template <class T>
Task<Result<T>> failed(Error error) {
  co_return std::unexpected(std::move(error));
}

// An object's name, which needs a key.
Result<Name> parse_object(std::string_view text) {
  auto name = parse_name(text);
  if (name && name->key.empty()) {
    return fail(ErrorCode::kInvalid,
                "\"" + std::string(text) + "\" names a bucket, not an object in it");
  }
  return name;
}

}  // namespace

FetchService::FetchService(Options options)
    : shared_(std::make_shared<Shared>(std::move(options))) {}

FetchService::~FetchService() = default;

// What the caller gives by reference is copied before the tasks begin.
Task<ListingResult> FetchService::list(std::string_view source) {
  auto name = parse_name(source);
  if (!name) return failed<std::unique_ptr<dataflow::Listing>>(std::move(name.error()));
  auto client = shared_->client(name->bucket);
  if (is_pattern(name->key)) return list_pattern(std::move(client), std::move(name->key));
  return list_prefix(std::move(client), std::move(name->key), {});
}

Task<Result<Object>> FetchService::stat(std::string_view text) {
  auto name = parse_object(text);
  if (!name) return failed<Object>(std::move(name.error()));
  return stat_name(shared_->client(name->bucket), std::move(name->key));
}

Task<ReaderResult> FetchService::open(const Object& object) {
  auto name = parse_object(object.name);
  if (!name) return failed<std::unique_ptr<dataflow::Reader>>(std::move(name.error()));
  return open_object(shared_->client(name->bucket), shared_->budget, shared_->options,
                     std::move(name->key), object);
}

std::size_t FetchService::buffered_bytes() const { return shared_->budget->taken(); }

}  // namespace dataflow::s3
