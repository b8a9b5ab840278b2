#include "dataflow/file/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "dataflow/file/path.h"

namespace dataflow::file {

namespace {

std::unexpected<Error> changed(const std::string& name, std::string cause) {
  return fail(ErrorCode::kConflict, name + " has changed since it was listed", std::move(cause));
}

// The object behind an open descriptor, under the name that it was opened by.
Result<Object> object_behind(const Descriptor& descriptor, const std::string& name) {
  struct stat status{};
  if (::fstat(descriptor.number(), &status) != 0) {
    return std::unexpected(system_error(errno, "read", name));
  }
  if (S_ISDIR(status.st_mode)) return std::unexpected(system_error(EISDIR, "read", name));
  return object_of(name, status);
}

}  // namespace

Result<OpenObject> open_object(const Object& object) {
  if (object.name == kStandardInput) {
    return OpenObject{Descriptor(STDIN_FILENO), Object{object.name, std::nullopt, {}}};
  }
  // O_NONBLOCK has no effect on files; a pipe is opened without waiting for its writer.
  Descriptor descriptor(::open(object.name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (descriptor.number() < 0) return std::unexpected(system_error(errno, "open", object.name));
  auto now = object_behind(descriptor, object.name);
  if (!now) return std::unexpected(std::move(now.error()));
  const bool other_version = !object.version.empty() && object.version != now->version;
  if (other_version || (object.size && object.size != now->size)) {
    return changed(object.name, "version " + now->version + " instead of " + object.version);
  }
  if (now->size) ::posix_fadvise(descriptor.number(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return OpenObject{std::move(descriptor), *std::move(now)};
}

FileReader::FileReader(std::shared_ptr<Threads> threads, OpenObject opened)
    : threads_(std::move(threads)), file_(std::move(opened)) {}

Task<Result<std::size_t>> FileReader::read(std::span<char> buffer) {
  if (failed_) co_return std::unexpected(*failed_);
  const std::uint64_t left = file_.object.size.value_or(0) - delivered_;
  if (left == 0) co_return std::size_t{0};
  auto call = [file = &file_, offset = delivered_,
               buffer = buffer.first(std::min<std::uint64_t>(buffer.size(), left))] {
    return read_at(*file, offset, buffer);
  };
  auto count = co_await run_on<std::size_t>(threads_->pool, call);
  if (count) {
    delivered_ += *count;
  } else {
    failed_ = count.error();
  }
  co_return std::move(count);
}

Result<std::size_t> FileReader::read_at(const OpenObject& file, std::uint64_t offset,
                                        std::span<char> buffer) {
  const auto& [descriptor, object] = file;
  std::size_t got = 0;
  while (got < buffer.size()) {
    const ssize_t count = ::pread(descriptor.number(), buffer.data() + got, buffer.size() - got,
                                  static_cast<off_t>(offset + got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(system_error(errno, "read", object.name));
    if (count == 0) return changed(object.name, "it has become shorter");
    got += static_cast<std::size_t>(count);
  }
  if (offset + got == object.size) {
    auto now = object_behind(descriptor, object.name);
    if (!now) return std::unexpected(std::move(now.error()));
    if (*now != object) {
      return changed(object.name, "version " + now->version + " instead of " + object.version);
    }
  }
  return got;
}

StreamReader::StreamReader(std::shared_ptr<Threads> threads, OpenObject opened)
    : threads_(std::move(threads)), stream_(std::move(opened)) {}

Task<Result<std::size_t>> StreamReader::read(std::span<char> buffer) {
  auto call = [stop = threads_->stop.number(), stream = &stream_, buffer]() -> Result<std::size_t> {
    const int number = stream->descriptor.number();
    while (true) {
      std::array<pollfd, 2> waited = {pollfd{number, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
      if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) {
        return std::unexpected(system_error(errno, "wait for", stream->object.name));
      }
      if (waited[1].revents != 0) {
        return fail(ErrorCode::kUnavailable, "stopped while waiting for " + stream->object.name);
      }
      if (waited[0].revents == 0) continue;
      const ssize_t count = ::read(number, buffer.data(), buffer.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR && errno != EAGAIN) {
        return std::unexpected(system_error(errno, "read", stream->object.name));
      }
    }
  };
  auto count = co_await run_on<std::size_t>(thread_, call);
  co_return std::move(count);
}

}  // namespace dataflow::file
