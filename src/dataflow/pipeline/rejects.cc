#include "dataflow/pipeline/rejects.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string_view>
#include <thread>

#include "dataflow/pipeline/json_text.h"

namespace dataflow::pipeline {

namespace {

constexpr OutputFile::Purpose kPurpose{"rejects file", "-rejects"};
constexpr int kMostBeside = 1000;  // FILE.incomplete-N

// Held while lines and reasons take their names, so that those of two jobs do not mix. Somebody
// else may lock the folder for long, and some file systems have no locks: then they do without.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    constexpr std::chrono::seconds kPatience{5};
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > until) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  ~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

// A path with so much of its name that something more fits behind it.
std::string shortened(const std::string& path) {
  constexpr std::size_t kMore = std::string_view(".incomplete-1000.reasons").size();
  const std::size_t begin = path.rfind('/') + 1;
  std::size_t length = std::min(path.size() - begin, NAME_MAX - kMore);
  // Not in the middle of a letter.
  while (length > 0 && (path[begin + length] & 0xc0) == 0x80) --length;
  return path.substr(0, begin + length);
}

// A name that nothing had: an empty file has it now. Nothing where there is none.
std::optional<std::string> name_beside(const std::string& path) {
  for (int i = 1; i <= kMostBeside; ++i) {
    std::string name = shortened(path) + ".incomplete-" + std::to_string(i);
    const int made = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (made >= 0) {
      ::close(made);
      return name;
    }
    if (errno != EEXIST) break;
  }
  return std::nullopt;
}

}  // namespace

Rejects::Rejects(std::string path, std::uint64_t max_bytes,
                 std::function<void(std::string_view)> warn)
    : path_(std::move(path)), max_bytes_(max_bytes), warn_(std::move(warn)) {}
Rejects::~Rejects() = default;

void Rejects::note_source(const Object& object) {
  // Everything else is not on this machine, or has no name.
  if (object.name != "-" && !object.name.starts_with('/')) return;
  std::lock_guard lock(mutex_);
  struct stat file{};
  if (is_source_ || path_.empty() || ::stat(path_.c_str(), &file) != 0) return;
  is_source_ = OutputFile::is_object(object, file);
}

Result<void> Rejects::take_room(std::size_t bytes) {
  if (finished_) return fail(ErrorCode::kConflict, "the rejects of this run are closed");
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
  auto lines = OutputFile::create(path_, kPurpose);
  if (!lines) return std::unexpected(std::move(lines.error()));
  const std::string beside = path_ + ".reasons";
  if (!(*lines)->is_straight() || ::access(beside.c_str(), F_OK) == 0) {
    auto reasons = OutputFile::create(beside, kPurpose);
    if (!reasons) return std::unexpected(std::move(reasons.error()));
    reasons_ = std::move(*reasons);
  }
  lines_ = std::move(*lines);
  return {};
}

// Lines and reasons stay side by side: where one of them is gone, neither is taken back.
bool Rejects::can_discard() const { return !lines_->is_straight() && !reasons_->is_straight(); }

void Rejects::note(std::vector<Extent>& extents, std::uint64_t begin, std::uint64_t end) {
  if (!extents.empty() && extents.back().end == begin) {
    extents.back().end = end;
  } else {
    extents.push_back({begin, end});
  }
}

void Rejects::tell(const Line& line) {
  if (warn_ == nullptr || told_ > kMostTold) return;
  if (told_++ == kMostTold) return warn_("more lines are rejected, and no more told of");
  warn_(std::string(line.source) + ": line " + std::to_string(line.line) + ", byte " +
        std::to_string(line.byte) + ": " + std::string(line.reason));
}

Result<void> Rejects::append_reason(const Line& line) {
  if (reasons_ == nullptr) {
    tell(line);
    return {};
  }
  const std::uint64_t begin = reasons_->size();
  auto done = reasons_->write_line(
      "{\"source\":" + json_string(line.source) + ",\"line\":" + std::to_string(line.line) +
      ",\"byte\":" + std::to_string(line.byte) + ",\"reason\":" + json_string(line.reason) + "}");
  if (can_discard()) note(open_[line.object].reasons, begin, reasons_->size());
  return done;
}

Result<void> Rejects::append(const Line& line, std::string_view text) {
  if (auto opened = open(); !opened) return opened;
  const std::uint64_t begin = lines_->size();
  if (auto done = lines_->write_line(text); !done) return done;
  if (can_discard()) note(open_[line.object].lines, begin, lines_->size());
  return append_reason(line);
}

Result<void> Rejects::append_spool(const Line& line, OutputFile& spool) {
  const std::uint64_t begin = lines_->size();
  if (auto done = spool.copy(0, spool.size(), *lines_); !done) return done;
  if (auto done = lines_->write("\n"); !done) return done;
  if (can_discard()) note(open_[line.object].lines, begin, lines_->size());
  return append_reason(line);
}

Result<void> Rejects::append_piece(const Line& line, std::string_view piece, bool last) {
  if (auto opened = open(); !opened) return opened;
  File& spool = pieces_[line.object];
  if (spool == nullptr) {
    auto made = lines_->create_spool();
    if (!made) return std::unexpected(std::move(made.error()));
    spool = std::move(*made);
  }
  if (auto done = spool->write(piece); !done || !last) return done;
  auto done = append_spool(line, *spool);
  pieces_.erase(line.object);
  return done;
}

// What was written is a beginning of what it should be, and nobody can tell.
Result<void> Rejects::noting_failure(Result<void> done) {
  if (!done) failure_ = done.error();
  return done;
}

Result<void> Rejects::add(const Line& line, std::string_view text) {
  std::lock_guard lock(mutex_);
  if (path_.empty()) return append_reason(line);
  if (failure_) return std::unexpected(*failure_);
  if (auto room = take_room(text.size() + 1); !room) return room;
  return noting_failure(append(line, text));
}

Result<void> Rejects::add_piece(const Line& line, std::string_view piece, bool last) {
  std::lock_guard lock(mutex_);
  if (path_.empty()) return last ? append_reason(line) : Result<void>();
  if (failure_) return std::unexpected(*failure_);
  if (auto room = take_room(piece.size() + (last ? 1 : 0)); !room) return room;
  return noting_failure(append_piece(line, piece, last));
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

Result<void> Rejects::leave_out(std::vector<Extent>& holes, File& file) {
  if (holes.empty()) return {};
  std::ranges::sort(holes, {}, &Extent::begin);
  auto made = OutputFile::create(file->path(), kPurpose);
  if (!made) return std::unexpected(std::move(made.error()));
  std::uint64_t at = 0;
  for (const Extent& hole : holes) {
    if (auto done = file->copy(at, hole.begin, **made); !done) return done;
    at = hole.end;
  }
  if (auto done = file->copy(at, file->size(), **made); !done) return done;
  file = std::move(*made);
  return {};
}

Result<void> Rejects::leave_out_discarded() {
  if (auto done = leave_out(discarded_.lines, lines_); !done) return done;
  return leave_out(discarded_.reasons, reasons_);
}

Result<Rejects::Kept> Rejects::take_names(bool beside) {
  for (const File* file : {&lines_, &reasons_}) {
    if (*file == nullptr) continue;
    // What was rejected again has its only copy in the source that is replaced.
    if (auto done = (*file)->settle(is_source_); !done)
      return std::unexpected(std::move(done.error()));
  }
  File blank;
  if (reasons_ != nullptr && !reasons_->is_straight()) {
    auto made = OutputFile::create(reasons_->path(), kPurpose);
    if (!made) return std::unexpected(std::move(made.error()));
    blank = std::move(*made);
    if (auto done = blank->settle(); !done) return std::unexpected(std::move(done.error()));
  }
  Kept kept{path_, reasons_ != nullptr ? reasons_->path() : "", beside};
  std::string lines = lines_->target();
  std::string reasons = reasons_ != nullptr ? reasons_->target() : "";
  const FolderLock lock(lines_->folder());
  if (beside) {
    auto name = name_beside(lines);
    if (!name) return std::unexpected(lines_->error("name").error());
    lines = kept.lines = std::move(*name);
    if (!reasons_->is_straight()) reasons = kept.reasons = lines + ".reasons";
  }
  // Killed in between, there are lines without reasons, not with those of others; but there is a
  // file for them, without which a folder would stand for the lines as well.
  if (blank != nullptr) {
    if (auto done = blank->take_name(reasons); !done)
      return std::unexpected(std::move(done.error()));
  }
  if (auto done = lines_->take_name(lines); !done) return std::unexpected(std::move(done.error()));
  if (reasons_ == nullptr) return kept;
  if (auto done = reasons_->take_name(reasons); !done) {
    return std::unexpected(std::move(done.error()));
  }
  return kept;
}

Error Rejects::not_whole() const {
  return {ErrorCode::kUnavailable,
          "the rejects file " + path_ +
              " is not whole: lines are still being written to it, and whoever takes them is too "
              "slow",
          ""};
}

Result<Rejects::Kept> Rejects::finish(bool all_stored) {
  finished_ = true;
  std::unique_lock lock(mutex_, kFinishPatience);
  if (!lock) return std::unexpected(not_whole());
  if (lines_ == nullptr || failure_) return Kept{};
  if (auto done = leave_out_discarded(); !done) return std::unexpected(std::move(done.error()));
  if (lines_->size() == 0) return Kept{};
  return take_names(is_source_ && !all_stored && !lines_->is_straight());
}

}  // namespace dataflow::pipeline
