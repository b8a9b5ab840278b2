#include "dataflow/mock/memory_fetch.h"

#include <algorithm>

namespace dataflow::mock {
namespace {

class PagedListing : public dataflow::Listing {
 public:
  PagedListing(std::vector<Object> objects, std::size_t page)
      : objects_(std::move(objects)), page_(page) {}

  Task<Result<std::vector<Object>>> next() override {
    const std::size_t count = std::min(page_, objects_.size() - given_);
    const auto first = objects_.begin() + static_cast<std::ptrdiff_t>(given_);
    given_ += count;
    co_return std::vector<Object>(first, first + static_cast<std::ptrdiff_t>(count));
  }

 private:
  std::vector<Object> objects_;
  std::size_t page_;
  std::size_t given_ = 0;
};

std::unexpected<Error> no_object(std::string_view name) {
  return fail(ErrorCode::kNotFound, "there is no object " + std::string(name));
}

}  // namespace

class MemoryFetch::MemoryReader : public dataflow::Reader {
 public:
  MemoryReader(MemoryFetch& fetch, Object object) : fetch_(fetch), object_(std::move(object)) {}

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    auto count = fetch_.read(object_, offset_, buffer);
    if (count) offset_ += *count;
    co_return count;
  }

 private:
  MemoryFetch& fetch_;
  Object object_;
  std::uint64_t offset_ = 0;
};

Object MemoryFetch::put(std::string name, std::string content, std::string version) {
  const std::lock_guard lock(mutex_);
  if (version.empty()) version = "version-" + std::to_string(++versions_);
  Object object{name, content.size(), std::move(version)};
  objects_[std::move(name)] = Stored{object, std::move(content)};
  return object;
}

Object MemoryFetch::put_stream(std::string name, std::string content) {
  const std::lock_guard lock(mutex_);
  Object object{name, std::nullopt, ""};
  objects_[std::move(name)] = Stored{object, std::move(content)};
  return object;
}

void MemoryFetch::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto stored = objects_.find(name); stored != objects_.end()) objects_.erase(stored);
}

Task<Result<std::unique_ptr<dataflow::Listing>>> MemoryFetch::list(std::string_view source) {
  const std::lock_guard lock(mutex_);
  if (source.empty()) co_return fail(ErrorCode::kInvalid, "a source has a name");
  const bool many = source.ends_with('*') || source.ends_with('/');
  const std::string_view prefix = source.substr(0, source.size() - (source.ends_with('*') ? 1 : 0));
  std::vector<Object> objects;
  for (const auto& [name, stored] : objects_) {
    if (many ? name.starts_with(prefix) : name == source) objects.push_back(stored.object);
  }
  if (objects.empty()) co_return no_object(source);
  std::unique_ptr<dataflow::Listing> listing =
      std::make_unique<PagedListing>(std::move(objects), page);
  co_return std::move(listing);
}

Task<Result<Object>> MemoryFetch::stat(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto stored = objects_.find(name);
  if (stored == objects_.end()) co_return no_object(name);
  co_return stored->second.object;
}

Task<Result<std::unique_ptr<dataflow::Reader>>> MemoryFetch::open(const Object& object) {
  const std::lock_guard lock(mutex_);
  const auto stored = objects_.find(object.name);
  if (stored == objects_.end()) co_return no_object(object.name);
  if (stored->second.object != object) {
    co_return fail(ErrorCode::kConflict, object.name + " has changed since it was listed");
  }
  ++opens_[object.name];
  std::unique_ptr<dataflow::Reader> reader = std::make_unique<MemoryReader>(*this, object);
  co_return std::move(reader);
}

Result<std::size_t> MemoryFetch::read(const Object& object, std::uint64_t offset,
                                      std::span<char> buffer) {
  if (before_read) {
    if (auto allowed = before_read(object, offset); !allowed) {
      return std::unexpected(allowed.error());
    }
  }
  const std::lock_guard lock(mutex_);
  const auto stored = objects_.find(object.name);
  if (stored == objects_.end()) return no_object(object.name);
  if (stored->second.object != object) {
    return fail(ErrorCode::kConflict, object.name + " has changed while it was read");
  }
  const std::string& content = stored->second.content;
  const std::size_t count = std::min({piece, buffer.size(), content.size() - offset});
  std::copy_n(content.data() + offset, count, buffer.data());
  bytes_read_ += count;
  return count;
}

std::size_t MemoryFetch::opens(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto count = opens_.find(name);
  return count == opens_.end() ? 0 : count->second;
}

std::uint64_t MemoryFetch::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

}  // namespace dataflow::mock
