#include "dataflow/rocksdb/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

namespace dataflow::rocksdb {
namespace {

namespace fs = std::filesystem;

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether RocksDB makes a file of this name before CURRENT, so that it may be alone there when it
// is interrupted. Tables and logs of writes come later: somebody's, whatever made them, and to be
// deleted by RocksDB if it were let in.
bool is_of_a_beginning(std::string_view name) {
  constexpr std::string_view kManifest = "MANIFEST-";
  constexpr std::string_view kTemporary = ".dbtmp";
  if (name == "LOCK" || name == "LOG" || name == "LOG.old" || name == "IDENTITY") return true;
  if (name.starts_with(kManifest)) return is_number(name.substr(kManifest.size()));
  if (!name.ends_with(kTemporary)) return false;
  name.remove_suffix(kTemporary.size());
  return is_number(name);
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Who holds RocksDB's lock on the folder: nullopt where nobody does, 0 where it is somebody unknown
// (of another process namespace).
std::optional<pid_t> lock_holder(const std::string& path) {
  const int file = ::open((path + "/LOCK").c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return errno == ENOENT ? std::nullopt : std::optional<pid_t>(0);
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool asked = ::fcntl(file, F_GETLK, &lock) == 0;
  ::close(file);
  if (!asked) return 0;
  if (lock.l_type == F_UNLCK) return std::nullopt;
  return std::max<pid_t>(lock.l_pid, 0);
}

std::unexpected<Error> no_access(const std::string& path, const std::error_code& error) {
  const bool denied = error == std::errc::permission_denied;
  const bool too_many =
      error == std::errc::too_many_files_open || error == std::errc::too_many_files_open_in_system;
  std::string remedy = "see the cause and try again";
  if (denied) remedy = "this user may not; change the permissions or the user";
  if (too_many) remedy = "allow more open files (ulimit -n)";
  return fail(denied ? ErrorCode::kUnauthorized : ErrorCode::kUnavailable,
              "the embedded database " + path + " cannot be looked at: " + remedy, error.message());
}

}  // namespace

std::string absolute_path(const std::string& path) {
  std::error_code error;
  fs::path absolute = fs::weakly_canonical(path, error);
  if (error || absolute.is_relative()) absolute = fs::absolute(path, error).lexically_normal();
  std::string name = error ? path : absolute.string();
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  return name;
}

Result<void> check_folder(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    const fs::path parent = fs::path(path).parent_path();
    if (fs::is_directory(parent, error)) return {};
    return fail(ErrorCode::kInvalid, "the embedded database " + path + " cannot be made: " +
                                         parent.string() + " is not a folder");
  }
  if (error) return no_access(path, error);
  if (status.type() != fs::file_type::directory) {
    return fail(ErrorCode::kInvalid,
                path + " is not a folder, so it is no embedded database; name another path");
  }
  bool foreign = false;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == "CURRENT") return {};
    foreign = foreign || !is_of_a_beginning(name);
  }
  if (error) return no_access(path, error);
  if (foreign) {
    return fail(ErrorCode::kInvalid, "the folder " + path +
                                         " holds other things than an embedded database; name "
                                         "another path");
  }
  return {};
}

std::string holder_of(const std::string& path) {
  const pid_t pid = lock_holder(path).value_or(0);
  if (pid <= 0) return "another process";
  const std::string name = first_line("/proc/" + std::to_string(pid) + "/comm");
  return "process " + std::to_string(pid) + (name.empty() ? "" : " (" + name + ")");
}

bool is_locked(const std::string& path) { return lock_holder(path).has_value(); }

std::string folder_identity(const std::string& path) {
  struct stat info{};
  if (::stat((path + "/CURRENT").c_str(), &info) != 0) return {};
  if (::stat((path + "/IDENTITY").c_str(), &info) != 0) return {};
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" +
         first_line(path + "/IDENTITY");
}

Result<std::vector<std::string>> files_in(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    files.push_back(entry->path().filename().string());
  }
  if (error) return no_access(path, error);
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<std::string>> logs_in(const std::string& path) {
  auto files = files_in(path);
  if (!files) return files;
  std::erase_if(*files, [](const std::string& name) { return !name.ends_with(".log"); });
  return files;
}

}  // namespace dataflow::rocksdb
