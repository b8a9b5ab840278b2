#include "dataflow/pipeline/output_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

namespace dataflow::pipeline {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr mode_t kMode = 0644;         // less the process's umask
constexpr mode_t kPrivate = 0600;      // until it takes after another file
constexpr mode_t kPermissions = 0777;  // of a file that is replaced; not to run as its owner
constexpr int kMostLinks = 40;         // as the kernel follows
constexpr int kMostTries = 100;        // at a name that nothing has yet

// Where a path leads, be it there or not: rename(2) would replace a link.
std::filesystem::path end_of_links(std::filesystem::path path) {
  std::error_code error;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(path, error); ++i) {
    const auto next = std::filesystem::read_symlink(path, error);
    if (error) break;
    path = path.parent_path() / next;
  }
  return path;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// The descriptor of this process's standard output or error, if that is what this is; or -1.
int standard_stream(const struct stat& status) {
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat own{};
    if (::fstat(stream, &own) != 0) continue;
    if (is_same(own, status)) return stream;
  }
  return -1;
}

std::string path_of(int descriptor) { return "/proc/self/fd/" + std::to_string(descriptor); }

}  // namespace

OutputFile::OutputFile(std::string path, Purpose purpose, Reader reader)
    : path_(std::move(path)), purpose_(purpose), reader_(reader), mode_(kMode) {}

Result<std::unique_ptr<OutputFile>> OutputFile::create(std::string path, Purpose purpose,
                                                       Nameless nameless, Reader reader) {
  std::unique_ptr<OutputFile> file(new OutputFile(std::move(path), purpose, reader));
  struct stat status{};
  const bool exists = ::stat(file->path_.c_str(), &status) == 0;
  // The kernel may refuse to follow a link that somebody else has laid (fs.protected_symlinks).
  if (!exists && errno != ENOENT) return file->error("create");
  const int stream = exists ? standard_stream(status) : -1;
  bool opened = false;
  if (stream >= 0) {
    // Opened anew, a file would be written from its beginning, over what the stream has written.
    file->straight_ = true;
    file->target_ = file->path_;
    file->descriptor_ = ::fcntl(stream, F_DUPFD_CLOEXEC, 0);
    opened = file->descriptor_ >= 0;
  } else if (exists && S_ISDIR(status.st_mode)) {
    errno = EISDIR;
  } else if (exists && !S_ISREG(status.st_mode)) {
    opened = file->open_straight(S_ISFIFO(status.st_mode));
  } else {
    file->target_ = end_of_links(file->path_).string();
    if (exists) file->mode_ = kPrivate;
    opened = nameless != Nameless::kNever && file->open_nameless(nameless == Nameless::kForEver);
    opened = opened || file->open_part();
  }
  if (!opened) return file->error("create");
  return file;
}

bool OutputFile::are_one(const std::string& path, const std::string& other) {
  struct stat one{}, two{};
  const bool one_is_there = ::stat(path.c_str(), &one) == 0;
  if (one_is_there != (::stat(other.c_str(), &two) == 0)) return false;
  if (one_is_there) return is_same(one, two) && S_ISREG(one.st_mode) && standard_stream(one) < 0;
  const auto whole = [](const std::string& name) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(end_of_links(name), error);
    return std::filesystem::weakly_canonical(absolute, error);
  };
  // Empty: it cannot be looked at, which the run will tell.
  const auto first = whole(path);
  return !first.empty() && first == whole(other);
}

bool OutputFile::is_object(const Object& object, const struct stat& file) {
  struct stat source{};
  const int found =
      object.name == "-" ? ::fstat(STDIN_FILENO, &source) : ::stat(object.name.c_str(), &source);
  return found == 0 && is_same(source, file);
}

Result<std::unique_ptr<OutputFile>> OutputFile::create_spool() const {
  std::unique_ptr<OutputFile> spool(new OutputFile(path_, purpose_, reader_));
  spool->target_ = target_;
  spool->mode_ = kPrivate;
  if (straight_) {
    std::error_code error;
    spool->target_ = std::filesystem::temp_directory_path(error) / "dataflow-rejects";
  }
  if (!spool->open_nameless() && !spool->open_part()) return spool->error("create");
  if (!spool->part_.empty()) ::unlink(std::exchange(spool->part_, "").c_str());
  return spool;
}

std::string OutputFile::folder() const {
  const auto folder = std::filesystem::path(target_).parent_path();
  return folder.empty() ? "." : folder.string();
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!part_.empty()) ::unlink(part_.c_str());
}

bool OutputFile::open_straight(bool is_pipe) {
  straight_ = true;
  target_ = path_;
  const auto until = std::chrono::steady_clock::now() + reader_.patience;
  while (true) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor_ >= 0) return true;
    // Its reader may come a little later.
    if (errno != ENXIO || !is_pipe || std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

bool OutputFile::open_nameless(bool for_ever) {
  const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC | (for_ever ? O_EXCL : 0);
  descriptor_ = ::open(folder().c_str(), flags, mode_);
  if (descriptor_ < 0) return false;
  if (::access(path_of(descriptor_).c_str(), F_OK) == 0) return true;
  ::close(std::exchange(descriptor_, -1));  // without /proc it could never have a name
  return false;
}

bool OutputFile::open_part() {
  for (int i = 0; i < kMostTries; ++i) {
    std::string name = make_part_name();
    descriptor_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_);
    if (descriptor_ >= 0) part_ = std::move(name);
    if (descriptor_ >= 0 || errno != EEXIST) break;
  }
  return descriptor_ >= 0;
}

bool OutputFile::give_part_name() {
  for (int i = 0; i < kMostTries; ++i) {
    std::string name = make_part_name();
    if (::linkat(AT_FDCWD, path_of(descriptor_).c_str(), AT_FDCWD, name.c_str(),
                 AT_SYMLINK_FOLLOW) == 0) {
      part_ = std::move(name);
      return true;
    }
    if (errno != EEXIST) break;
  }
  return false;
}

// What has no name and cannot be given one, is copied to what has.
Result<void> OutputFile::move_to_part() {
  OutputFile named(path_, purpose_, reader_);
  named.target_ = target_;
  named.mode_ = mode_;
  if (!named.open_part()) return error("name");
  if (auto done = copy(0, size(), named); !done) return done;
  if (auto done = named.flush(); !done) return done;
  std::swap(descriptor_, named.descriptor_);
  std::swap(part_, named.part_);
  return {};
}

// Whoever could not read the file that this one replaces does not read this one.
void OutputFile::take_after(const std::string& path) {
  struct stat old{}, own{};
  if (::stat(path.c_str(), &old) != 0 || !S_ISREG(old.st_mode)) return;
  if (::fstat(descriptor_, &own) != 0) return;
  mode_t mode = old.st_mode & kPermissions;
  // A process whose system calls are restricted may not even give it what it has.
  const bool is_other_group = own.st_gid != old.st_gid;
  if (is_other_group && ::fchown(descriptor_, static_cast<uid_t>(-1), old.st_gid) != 0) {
    mode = (mode & ~S_IRWXG) | ((mode & S_IRWXO) << 3);  // another group's: as everybody
  }
  (void)::fchmod(descriptor_, mode);
  if (own.st_uid == old.st_uid) return;
  // Who may not give files away keeps it.
  [[maybe_unused]] const int given = ::fchown(descriptor_, old.st_uid, static_cast<gid_t>(-1));
}

std::string OutputFile::make_part_name() const {
  unsigned random = 0;
  if (::getrandom(&random, sizeof random, 0) < 0) random = static_cast<unsigned>(::getpid());
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "%08x.part", random);
  return folder() + "/.dataflow-" + text.data();
}

Result<void> OutputFile::write(std::string_view text) {
  buffer_.append(text);
  return buffer_.size() < kBufferBytes ? Result<void>() : flush();
}

Result<void> OutputFile::write_line(std::string_view line) {
  buffer_.append(line);
  return write("\n");
}

Result<void> OutputFile::flush() {
  std::size_t done = 0;
  bool failed = false;
  const std::chrono::seconds at_its_speed(buffer_.size() / reader_.bytes_per_second);
  const auto until = std::chrono::steady_clock::now() + reader_.patience + at_its_speed;
  while (done < buffer_.size() && !failed) {
    const std::ptrdiff_t n = write_some(std::string_view(buffer_).substr(done), until);
    failed = n < 0 && errno != EINTR && errno != EAGAIN;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  const int number = errno;
  written_ += done;
  buffer_.erase(0, done);
  errno = number;
  if (failed) return error("write");
  return {};
}

std::ptrdiff_t OutputFile::write_some(std::string_view text,
                                      std::chrono::steady_clock::time_point until) {
  if (!straight_) return ::write(descriptor_, text.data(), text.size());
  using std::chrono::milliseconds;
  const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
  const milliseconds patience = std::clamp(left, milliseconds(0), reader_.patience);
  pollfd ready{descriptor_, POLLOUT, 0};
  const int n = left.count() > 0 ? ::poll(&ready, 1, static_cast<int>(patience.count())) : 0;
  if (n == 0) errno = ETIMEDOUT;
  if (n <= 0) return -1;
  // As much as a pipe that is ready takes without waiting.
  return ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
}

Result<void> OutputFile::copy(std::uint64_t begin, std::uint64_t end, OutputFile& to) {
  if (auto flushed = flush(); !flushed) return flushed;
  std::array<char, kBufferBytes> piece;
  while (begin < end) {
    const auto want = std::min<std::uint64_t>(piece.size(), end - begin);
    const ssize_t n = ::pread(descriptor_, piece.data(), want, static_cast<off_t>(begin));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) return error("read back");
    if (auto done = to.write({piece.data(), static_cast<std::size_t>(n)}); !done) return done;
    begin += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> OutputFile::settle(bool durable) {
  if (auto flushed = flush(); !flushed || straight_) return flushed;
  take_after(target_);
  if (part_.empty() && !give_part_name()) {
    if (auto moved = move_to_part(); !moved) return moved;
    take_after(target_);
  }
  const bool synced = !durable || ::fdatasync(descriptor_) == 0;
  if (!synced && errno != EINVAL && errno != ENOSYS) return error("write");
  return {};
}

Result<void> OutputFile::take_name(const std::string& name) {
  if (straight_) return {};
  if (::rename(part_.c_str(), name.c_str()) != 0) return error("name");
  part_.clear();
  return {};
}

std::unexpected<Error> OutputFile::error(std::string_view what) const {
  const int number = errno;
  const bool is_too_long = number == ENAMETOOLONG;
  std::string message = "cannot " + std::string(what) + " the " + std::string(purpose_.what) + " " +
                        path_ + "; " + (is_too_long ? "" : "make room there or ") +
                        "name another one with " + std::string(purpose_.flag) + " FILE";
  std::string cause = std::strerror(number);
  if (number == ENXIO) cause = "nobody reads it";
  if (number == ETIMEDOUT) cause = "nobody reads it, or too slowly";
  return fail(ErrorCode::kUnavailable, std::move(message), std::move(cause));
}

}  // namespace dataflow::pipeline
