#include "dataflow/file/folder.h"

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <utility>

namespace dataflow::file {

namespace {

constexpr std::string_view kStandardInput = "-";

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

Object object_of(const std::string& path, const struct stat& status) {
  Object object;
  object.name = path == kStandardInput ? path : absolute(path);
  if (!S_ISREG(status.st_mode)) return object;  // a stream
  object.size = static_cast<std::uint64_t>(status.st_size);
  object.version = std::to_string(status.st_mtim.tv_sec) + "." +
                   std::to_string(status.st_mtim.tv_nsec) + ":" + std::to_string(status.st_size);
  return object;
}

using Visited = std::set<std::pair<dev_t, ino_t>>;

// Adds the product files below `folder`. What vanishes meanwhile is passed over; what may not be
// read is an error: leaving it out in silence would be a load that looks complete.
Result<void> walk(const std::string& folder, Visited& visited, std::vector<Object>& out) {
  struct CloseDir {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  const std::unique_ptr<DIR, CloseDir> directory(::opendir(folder.c_str()));
  if (directory == nullptr) return std::unexpected(system_error(errno, "list", folder));
  for (;;) {
    errno = 0;
    const struct dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0) return std::unexpected(system_error(errno, "list", folder));
      return {};
    }
    const std::string name = entry->d_name;
    if (name.starts_with('.')) continue;
    const std::string path = folder + "/" + name;
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      // A link to nowhere, a loop of links, or a file that is gone.
      if (errno == ENOENT || errno == ELOOP) continue;
      return std::unexpected(system_error(errno, "look at", path));
    }
    if (S_ISDIR(status.st_mode)) {
      if (!visited.emplace(status.st_dev, status.st_ino).second) continue;
      if (auto walked = walk(path, visited, out); !walked) return walked;
    } else if (S_ISREG(status.st_mode) && is_product_file(name)) {
      out.push_back(object_of(path, status));
    }
  }
}

Result<std::vector<Object>> matches_of(const std::string& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, &found);
  const int number = errno;
  struct Free {
    glob_t* glob;
    ~Free() { ::globfree(glob); }
  } free_at_end{&found};
  if (code == GLOB_NOSPACE) {
    return fail(ErrorCode::kUnavailable, pattern + ": too many matches for the memory there is");
  }
  if (code == GLOB_ABORTED) return std::unexpected(system_error(number, "list", pattern));
  std::vector<Object> objects;
  for (std::size_t i = 0; i < found.gl_pathc; ++i) {
    struct stat status{};
    if (::stat(found.gl_pathv[i], &status) != 0) continue;  // gone meanwhile
    if (!S_ISDIR(status.st_mode)) objects.push_back(object_of(found.gl_pathv[i], status));
  }
  if (objects.empty()) {
    return fail(ErrorCode::kNotFound,
                pattern + ": no such file, and no file matches it as a pattern");
  }
  return objects;
}

}  // namespace

bool is_product_file(std::string_view name) {
  if (name.starts_with('.')) return false;
  constexpr std::array<std::string_view, 2> kPacked = {".gz", ".zst"};
  constexpr std::array<std::string_view, 3> kLines = {".jsonl", ".ndjson", ".json"};
  for (std::string_view packed : kPacked) {
    if (name.ends_with(packed)) {
      name.remove_suffix(packed.size());
      break;
    }
  }
  return std::any_of(kLines.begin(), kLines.end(),
                     [name](std::string_view ending) { return name.ends_with(ending); });
}

Error system_error(int number, std::string_view what, const std::string& path) {
  ErrorCode code = ErrorCode::kUnavailable;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::kNotFound;
  if (number == EACCES || number == EPERM) code = ErrorCode::kUnauthorized;
  if (number == EISDIR || number == ELOOP || number == ENAMETOOLONG) code = ErrorCode::kInvalid;
  return {code, "cannot " + std::string(what) + " " + path + ": " + std::strerror(number), ""};
}

Result<Object> object_at(const std::string& path) {
  if (path == kStandardInput) return Object{path, std::nullopt, ""};
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return std::unexpected(system_error(errno, "read", path));
  }
  if (S_ISDIR(status.st_mode)) return std::unexpected(system_error(EISDIR, "read", path));
  return object_of(path, status);
}

Result<std::vector<Object>> objects_of(const std::string& source) {
  if (source.empty()) return fail(ErrorCode::kInvalid, "a source has no name");
  std::vector<Object> objects;
  struct stat status{};
  if (source == kStandardInput) {
    objects.push_back({source, std::nullopt, ""});
  } else if (::stat(source.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      Visited visited{{status.st_dev, status.st_ino}};
      if (auto walked = walk(source, visited, objects); !walked) {
        return std::unexpected(std::move(walked.error()));
      }
    } else {
      objects.push_back(object_of(source, status));
    }
  } else if (const int number = errno; source.find_first_of("*?[") != std::string::npos) {
    auto matches = matches_of(source);
    if (!matches) return matches;
    objects = std::move(*matches);
  } else {
    return std::unexpected(system_error(number, "read", source));
  }
  std::sort(objects.begin(), objects.end(),
            [](const Object& a, const Object& b) { return a.name < b.name; });
  return objects;
}

}  // namespace dataflow::file
