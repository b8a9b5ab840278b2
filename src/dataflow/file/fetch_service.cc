#include "dataflow/file/fetch_service.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/file/folder.h"

namespace dataflow::file {

namespace {

constexpr std::size_t kThreads = 2;  // for calls on the file system
constexpr int kStandardInputDescriptor = 0;

// Runs `call` on a pool and resumes the caller with its result.
template <class T>
Task<T> run_on(boost::asio::thread_pool& pool, std::function<T()> call) {
  auto start = [&pool, &call](auto done) {
    boost::asio::post(pool, [&call, done = std::move(done)]() mutable { done(call()); });
  };
  auto value = co_await async_value<T>(start);
  co_return std::move(value);
}

}  // namespace

struct Threads {
  boost::asio::thread_pool files{kThreads};
  // Apart: a read of a stream may wait for ever.
  boost::asio::thread_pool streams{1};
};

namespace {

class WholeListing final : public dataflow::Listing {
 public:
  explicit WholeListing(std::vector<Object> objects) : objects_(std::move(objects)) {}
  Task<Result<std::vector<Object>>> next() override { co_return std::exchange(objects_, {}); }

 private:
  std::vector<Object> objects_;
};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ > kStandardInputDescriptor) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

std::unexpected<Error> changed(const std::string& name) {
  return fail(ErrorCode::kConflict, name + " changed while it was read");
}

// The bytes of a file of known size and version, or of a stream of which nothing is known.
class FileReader final : public dataflow::Reader {
 public:
  FileReader(std::shared_ptr<Threads> threads, Descriptor descriptor, Object object)
      : threads_(std::move(threads)),
        descriptor_(std::move(descriptor)),
        object_(std::move(object)) {}

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    auto& pool = object_.size ? threads_->files : threads_->streams;
    std::function<Result<std::size_t>()> call = [this, buffer] { return read_some(buffer); };
    auto got = co_await run_on(pool, std::move(call));
    co_return std::move(got);
  }

 private:
  Result<std::size_t> read_some(std::span<char> buffer) {
    std::size_t want = buffer.size();
    if (object_.size) want = std::min<std::uint64_t>(want, *object_.size - offset_);
    ssize_t got = 0;
    do {
      got = want == 0 ? 0 : ::read(descriptor_.number(), buffer.data(), want);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return std::unexpected(system_error(errno, "read", object_.name));
    offset_ += static_cast<std::uint64_t>(got);
    if (got == 0 && object_.size) {
      // The end, if the file is still what it was when it was listed.
      auto now = object_at(object_.name);
      if (!now || *now != object_ || offset_ != *object_.size) return changed(object_.name);
    }
    return static_cast<std::size_t>(got);
  }

  std::shared_ptr<Threads> threads_;
  Descriptor descriptor_;
  const Object object_;
  std::uint64_t offset_ = 0;
};

Result<Descriptor> open_file(const Object& object) {
  if (object.name == "-") return Descriptor(kStandardInputDescriptor);
  const int number = ::open(object.name.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) return std::unexpected(system_error(errno, "open", object.name));
  Descriptor descriptor(number);
  if (!object.version.empty()) {
    auto now = object_at(object.name);
    if (!now) return std::unexpected(std::move(now.error()));
    if (*now != object) return changed(object.name);
    ::posix_fadvise(number, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  return descriptor;
}

}  // namespace

FetchService::FetchService() : threads_(std::make_shared<Threads>()) {}
FetchService::~FetchService() = default;

Task<Result<std::unique_ptr<dataflow::Listing>>> FetchService::list(std::string_view source) {
  std::function<Result<std::vector<Object>>()> call = [name = std::string(source)] {
    return objects_of(name);
  };
  auto objects = co_await run_on(threads_->files, std::move(call));
  if (!objects) co_return std::unexpected(std::move(objects.error()));
  co_return std::make_unique<WholeListing>(std::move(*objects));
}

Task<Result<Object>> FetchService::stat(std::string_view name) {
  std::function<Result<Object>()> call = [path = std::string(name)] { return object_at(path); };
  auto object = co_await run_on(threads_->files, std::move(call));
  co_return std::move(object);
}

Task<Result<std::unique_ptr<dataflow::Reader>>> FetchService::open(const Object& object) {
  // A pipe is opened when its writer does, which may take for ever.
  auto& pool = object.size ? threads_->files : threads_->streams;
  std::function<Result<Descriptor>()> call = [object] { return open_file(object); };
  auto descriptor = co_await run_on(pool, std::move(call));
  if (!descriptor) co_return std::unexpected(std::move(descriptor.error()));
  co_return std::make_unique<FileReader>(threads_, std::move(*descriptor), object);
}

}  // namespace dataflow::file
