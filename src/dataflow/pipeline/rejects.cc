#include "dataflow/pipeline/rejects.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataflow/pipeline/json_text.h"

namespace dataflow::pipeline {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

std::unexpected<Error> io_error(const std::string& path, std::string_view what) {
  const int number = errno;
  return fail(ErrorCode::kUnavailable,
              "cannot " + std::string(what) + " the rejects file " + path +
                  "; make room there or name another one with -rejects FILE",
              std::strerror(number));
}

}  // namespace

// A file written from its beginning, with a buffer.
class Rejects::File {
 public:
  static Result<std::unique_ptr<File>> create(std::string path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0) return io_error(path, "create");
    return std::make_unique<File>(std::move(path), descriptor);
  }
  File(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(descriptor_); }

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return written_ + buffer_.size(); }

  Result<void> write(std::string_view text) {
    buffer_.append(text);
    return buffer_.size() < kBufferBytes ? Result<void>() : flush();
  }

  Result<void> flush() {
    std::string_view left = buffer_;
    while (!left.empty()) {
      const ssize_t n = ::write(descriptor_, left.data(), left.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io_error(path_, "write");
      left.remove_prefix(static_cast<std::size_t>(n));
      written_ += static_cast<std::uint64_t>(n);
    }
    buffer_.clear();
    return {};
  }

  // Appends [begin, end) of this file to `to`.
  Result<void> copy(std::uint64_t begin, std::uint64_t end, File& to) {
    if (auto flushed = flush(); !flushed) return flushed;
    std::array<char, kBufferBytes> piece;
    while (begin < end) {
      const auto want = std::min<std::uint64_t>(piece.size(), end - begin);
      const ssize_t n = ::pread(descriptor_, piece.data(), want, static_cast<off_t>(begin));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return io_error(path_, "read back");
      if (auto done = to.write({piece.data(), static_cast<std::size_t>(n)}); !done) return done;
      begin += static_cast<std::uint64_t>(n);
    }
    return {};
  }

 private:
  std::string path_;
  int descriptor_;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

Rejects::Rejects(std::string path, std::uint64_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {}
Rejects::~Rejects() = default;

Result<void> Rejects::take_room(std::size_t bytes) {
  if (bytes > max_bytes_ - bytes_) {
    return fail(ErrorCode::kInvalid,
                "the rejected lines take more than " + std::to_string(max_bytes_) +
                    " bytes (pipeline.max_rejects_bytes); mend the source or allow more");
  }
  bytes_ += bytes;
  return {};
}

Result<void> Rejects::open() {
  if (lines_ != nullptr) return {};
  auto lines = File::create(path_ + ".part");
  if (!lines) return std::unexpected(std::move(lines.error()));
  auto reasons = File::create(path_ + ".reasons.part");
  if (!reasons) return std::unexpected(std::move(reasons.error()));
  lines_ = std::move(*lines);
  reasons_ = std::move(*reasons);
  return {};
}

void Rejects::note(std::vector<Extent>& extents, std::uint64_t begin, std::uint64_t end) {
  if (!extents.empty() && extents.back().end == begin) {
    extents.back().end = end;
  } else {
    extents.push_back({begin, end});
  }
}

Result<void> Rejects::append_reason(const Line& line) {
  const std::uint64_t begin = reasons_->size();
  auto done = reasons_->write(
      "{\"source\":" + json_string(line.source) + ",\"line\":" + std::to_string(line.line) +
      ",\"byte\":" + std::to_string(line.byte) + ",\"reason\":" + json_string(line.reason) + "}\n");
  note(open_[line.object].reasons, begin, reasons_->size());
  return done;
}

Result<void> Rejects::append(const Line& line, std::string_view text) {
  if (auto opened = open(); !opened) return opened;
  const std::uint64_t begin = lines_->size();
  if (auto done = lines_->write(text); !done) return done;
  if (auto done = lines_->write("\n"); !done) return done;
  note(open_[line.object].lines, begin, lines_->size());
  return append_reason(line);
}

Result<void> Rejects::add(const Line& line, std::string_view text) {
  std::lock_guard lock(mutex_);
  if (auto room = take_room(text.size() + 1); !room) return room;
  return append(line, text);
}

Result<void> Rejects::append_spool(const Line& line, File& spool) {
  if (auto opened = open(); !opened) return opened;
  const std::uint64_t begin = lines_->size();
  if (auto done = spool.copy(0, spool.size(), *lines_); !done) return done;
  if (auto done = lines_->write("\n"); !done) return done;
  note(open_[line.object].lines, begin, lines_->size());
  return append_reason(line);
}

Result<void> Rejects::add_piece(const Line& line, std::string_view piece, bool last) {
  std::lock_guard lock(mutex_);
  if (auto room = take_room(piece.size() + (last ? 1 : 0)); !room) return room;
  auto& spool = pieces_[line.object];
  if (spool == nullptr) {
    auto made = File::create(path_ + ".line-" + std::to_string(line.object) + ".part");
    if (!made) return std::unexpected(std::move(made.error()));
    spool = std::move(*made);
    ::unlink(spool->path().c_str());  // gone with the process, however that ends
  }
  if (auto done = spool->write(piece); !done || !last) return done;
  auto done = append_spool(line, *spool);
  pieces_.erase(line.object);
  return done;
}

void Rejects::discard(std::uint64_t object) {
  std::lock_guard lock(mutex_);
  pieces_.erase(object);
  const auto found = open_.find(object);
  if (found == open_.end()) return;
  auto& [lines, reasons] = found->second;
  discarded_.lines.insert(discarded_.lines.end(), lines.begin(), lines.end());
  discarded_.reasons.insert(discarded_.reasons.end(), reasons.begin(), reasons.end());
  open_.erase(found);
}

void Rejects::keep(std::uint64_t object) {
  std::lock_guard lock(mutex_);
  open_.erase(object);
}

Result<bool> Rejects::finish() {
  std::lock_guard lock(mutex_);
  if (lines_ == nullptr) return false;
  bool any = false;
  auto settle = [&any](File& file, std::vector<Extent>& holes,
                       const std::string& name) -> Result<void> {
    std::unique_ptr<File> without;
    if (!holes.empty()) {
      std::sort(holes.begin(), holes.end(),
                [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
      auto made = File::create(file.path() + ".kept");
      if (!made) return std::unexpected(std::move(made.error()));
      without = std::move(*made);
      std::uint64_t at = 0;
      for (const Extent& hole : holes) {
        if (auto done = file.copy(at, hole.begin, *without); !done) return done;
        at = hole.end;
      }
      if (auto done = file.copy(at, file.size(), *without); !done) return done;
      ::unlink(file.path().c_str());
    }
    File& result = without != nullptr ? *without : file;
    if (auto done = result.flush(); !done) return done;
    any = result.size() > 0;
    if (!any) {
      ::unlink(result.path().c_str());
      return {};
    }
    if (::rename(result.path().c_str(), name.c_str()) != 0) return io_error(name, "name");
    return {};
  };
  if (auto done = settle(*lines_, discarded_.lines, path_); !done) {
    return std::unexpected(std::move(done.error()));
  }
  if (auto done = settle(*reasons_, discarded_.reasons, path_ + ".reasons"); !done) {
    return std::unexpected(std::move(done.error()));
  }
  return any;
}

}  // namespace dataflow::pipeline
