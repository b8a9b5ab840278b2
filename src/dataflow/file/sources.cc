#include "dataflow/file/sources.h"

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "dataflow/file/path.h"

namespace dataflow::file {

namespace {

constexpr std::string_view kSpecial = "*?[";

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// What a run rejected has its reasons beside it. Loaded with the folder again, it would only grow.
bool is_rejects_file(const std::string& path) {
  return ::access((path + ".reasons").c_str(), F_OK) == 0;
}

// Whether there is nothing under this name, no link either.
bool is_gone(const std::string& path) {
  struct stat link{};
  return ::lstat(path.c_str(), &link) != 0 && errno == ENOENT;
}

// Folders and everything below them; links are followed, a folder is entered once, hidden names and
// rejected lines are passed over.
class Tree {
 public:
  // What is gone meanwhile is passed over; what may not be read is an error: leaving it out in
  // silence would be a load that looks complete.
  static Result<Tree> of(const std::vector<std::string>& roots) {
    Tree tree;
    for (const std::string& root : roots) {
      if (auto entered = tree.enter(root); !entered) {
        return std::unexpected(std::move(entered.error()));
      }
    }
    while (!tree.waiting_.empty()) {
      const std::string next = std::move(tree.waiting_.back());
      tree.waiting_.pop_back();
      if (auto read = tree.read(next); !read) return std::unexpected(std::move(read.error()));
    }
    return tree;
  }

  std::vector<std::string> folders;
  std::vector<Object> files;  // those that are taken for product lines

 private:
  Result<void> enter(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                           &std::free);
    struct stat status{};
    if (!real || ::stat(real.get(), &status) != 0) {
      if (errno == ENOENT) return {};
      return std::unexpected(system_error(errno, "list", path));
    }
    if (!visited_.emplace(status.st_dev, status.st_ino).second) return {};
    folders.emplace_back(real.get());
    waiting_.emplace_back(real.get());
    return {};
  }

  Result<void> read(const std::string& folder) {
    const std::unique_ptr<DIR, CloseFolder> directory(::opendir(folder.c_str()));
    if (!directory) {
      if (errno == ENOENT) return {};
      return std::unexpected(system_error(errno, "list", folder));
    }
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      const bool may_be_folder = entry->d_type != DT_REG;
      if (name.starts_with('.') || !(may_be_folder || is_product_file(name))) continue;
      const std::string path = (folder == "/" ? "" : folder) + "/" + std::string(name);
      if (auto looked = look_at(path, name); !looked) return looked;
    }
    if (errno != 0) return std::unexpected(system_error(errno, "list", folder));
    return {};
  }

  Result<void> look_at(const std::string& path, std::string_view name) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      const int number = errno;
      if (is_gone(path) || !is_product_file(name)) return {};
      return std::unexpected(system_error(number, "follow the link", path));
    }
    if (S_ISDIR(status.st_mode)) return enter(path);
    if (S_ISREG(status.st_mode) && is_product_file(name) && !is_rejects_file(path)) {
      files.push_back(object_of(path, status));
    }
    return {};
  }

  std::vector<std::string> waiting_;
  std::set<std::pair<dev_t, ino_t>> visited_;
};

// A literal path as a pattern.
std::string escaped(const std::string& path) {
  std::string pattern;
  for (const char c : path) {
    if (c == '\\' || kSpecial.contains(c)) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// A folder that glob(3) may not read.
thread_local std::pair<int, std::string> unreadable;

int on_unreadable(const char* path, int number) {
  if (number == ENOENT || number == ENOTDIR) return 0;
  unreadable = {number, path};
  return 1;
}

Result<std::vector<std::string>> plain_glob(const std::string& pattern) {
  glob_t found{};
  const int code = ::glob(pattern.c_str(), GLOB_NOSORT, &on_unreadable, &found);
  const std::unique_ptr<glob_t, decltype(&::globfree)> free_at_end(&found, &::globfree);
  if (code == GLOB_ABORTED) {
    return std::unexpected(system_error(unreadable.first, "list", unreadable.second));
  }
  if (code == GLOB_NOSPACE) {
    return fail(ErrorCode::kUnavailable, pattern + ": too many matches for the memory there is");
  }
  return std::vector<std::string>(found.gl_pathv, found.gl_pathv + found.gl_pathc);
}

// Where "**" stands as a whole part between slashes.
std::size_t find_double_star(const std::string& pattern) {
  for (std::size_t at = pattern.find("**"); at != std::string::npos;
       at = pattern.find("**", at + 1)) {
    const bool begins = at == 0 || pattern[at - 1] == '/';
    if (begins && (at + 2 == pattern.size() || pattern[at + 2] == '/')) return at;
  }
  return std::string::npos;
}

// Whatever `pattern` matches in one of the folders.
Result<std::vector<std::string>> glob_in(const std::vector<std::string>& folders,
                                         const std::string& pattern) {
  std::vector<std::string> paths;
  for (const std::string& folder : folders) {
    auto matches = plain_glob(escaped(folder == "/" ? "" : folder) + "/" + pattern);
    if (!matches) return matches;
    std::ranges::move(*matches, std::back_inserter(paths));
  }
  return paths;
}

// glob(3) knows no "**": what stands behind it is tried in each folder below those that match what
// stands before it. A folder is looked at once for each "**", however many ways lead to it.
Result<std::vector<std::string>> glob_paths(std::string pattern) {
  std::size_t star = find_double_star(pattern);
  if (star == std::string::npos) return plain_glob(pattern);
  auto paths = plain_glob(star == 0 ? "." : pattern.substr(0, star));
  while (star != std::string::npos) {
    if (!paths) return paths;
    auto tree = Tree::of(*paths);
    if (!tree) return std::unexpected(std::move(tree.error()));
    const std::size_t behind = pattern.find_first_not_of('/', star + 2);
    pattern = behind == std::string::npos ? "*" : pattern.substr(behind);
    star = find_double_star(pattern);
    if (star == 0) {
      paths = std::move(tree->folders);
    } else {
      paths = glob_in(tree->folders, pattern.substr(0, star));
    }
  }
  return paths;
}

Result<void> add_folder(const std::string& path, std::vector<Object>& objects) {
  auto tree = Tree::of({path});
  if (!tree) return std::unexpected(std::move(tree.error()));
  std::ranges::move(tree->files, std::back_inserter(objects));
  return {};
}

Result<std::vector<Object>> matches_of(const std::string& pattern) {
  auto paths = glob_paths(pattern);
  if (!paths) return std::unexpected(std::move(paths.error()));
  // As a shell does it: a folder that matches stands for what is in it. "**" has been there
  // already.
  const bool with_folders = find_double_star(pattern) == std::string::npos;
  std::vector<Object> objects;
  bool matched = false;
  for (const std::string& path : *paths) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      const int number = errno;
      if (is_gone(path)) continue;
      const bool leads_nowhere = number == ENOENT;
      return std::unexpected(
          system_error(number, leads_nowhere ? "follow the link" : "read", path));
    }
    if (!S_ISDIR(status.st_mode)) {
      matched = true;
      objects.push_back(object_of(name_of(path, S_ISREG(status.st_mode)), status));
    } else if (with_folders) {
      matched = true;
      if (auto added = add_folder(path, objects); !added) return std::unexpected(added.error());
    }
  }
  if (!matched) {
    return fail(ErrorCode::kNotFound, pattern + ": no such file, and none matches it as a pattern");
  }
  return objects;
}

Result<std::vector<Object>> unordered_objects_of(const std::string& source) {
  std::vector<Object> objects;
  struct stat status{};
  if (source == kStandardInput) {
    objects.push_back({source, std::nullopt, {}});
  } else if (::stat(source.c_str(), &status) != 0) {
    const int number = errno;
    const bool missing = number == ENOENT || number == ENOTDIR;
    if (missing && source.find_first_of(kSpecial) != std::string::npos) return matches_of(source);
    return std::unexpected(system_error(number, "read", source));
  } else if (S_ISDIR(status.st_mode)) {
    if (auto added = add_folder(source, objects); !added) return std::unexpected(added.error());
  } else {
    auto object = object_at(source);
    if (!object) return std::unexpected(std::move(object.error()));
    objects.push_back(*std::move(object));
  }
  return objects;
}

}  // namespace

Result<std::vector<Object>> objects_of(const std::string& source) {
  if (source.empty() || source.contains('\0')) {
    return fail(ErrorCode::kInvalid, "a source is empty or has a zero byte: expected a path");
  }
  auto objects = unordered_objects_of(source);
  if (!objects) return objects;
  std::ranges::sort(*objects, {}, &Object::name);
  const auto repeated = std::ranges::unique(*objects, {}, &Object::name);
  objects->erase(repeated.begin(), repeated.end());
  return objects;
}

}  // namespace dataflow::file
