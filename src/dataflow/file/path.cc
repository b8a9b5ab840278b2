#include "dataflow/file/path.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

namespace dataflow::file {

namespace {

// ASCII only: a name's encoding is not known.
bool ends_with_any_case(std::string_view text, std::string_view ending) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return text.size() >= ending.size() &&
         std::ranges::equal(text.substr(text.size() - ending.size()), ending, {}, lower);
}

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
      return ErrorCode::kUnauthorized;
    case EBADF:  // standard input was closed
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENODEV:
    case ENXIO:  // a socket
      return ErrorCode::kInvalid;
    default:
      return ErrorCode::kUnavailable;
  }
}

}  // namespace

bool is_product_file(std::string_view name) {
  constexpr std::array<std::string_view, 2> kPacked = {".gz", ".zst"};
  constexpr std::array<std::string_view, 3> kLines = {".jsonl", ".ndjson", ".json"};
  if (name.starts_with('.')) return false;
  for (const std::string_view packed : kPacked) {
    if (ends_with_any_case(name, packed)) {
      name.remove_suffix(packed.size());
      break;
    }
  }
  return std::ranges::any_of(kLines,
                             [name](auto ending) { return ends_with_any_case(name, ending); });
}

std::string name_of(const std::string& path, bool regular) {
  const std::size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const std::unique_ptr<char, decltype(&std::free)> real(
      regular ? ::realpath(folder.c_str(), nullptr) : nullptr, &std::free);
  if (!real) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    return error ? path : absolute.lexically_normal().string();
  }
  std::string name = real.get();
  if (!name.ends_with('/')) name += '/';
  return name.append(path, slash == std::string::npos ? 0 : slash + 1);
}

Object object_of(std::string name, const struct stat& status) {
  Object object{std::move(name), std::nullopt, {}};
  if (!S_ISREG(status.st_mode)) return object;
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  const std::int64_t modified = status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec;
  object.size = static_cast<std::uint64_t>(status.st_size);
  object.version = std::to_string(modified) + ":" + std::to_string(status.st_size);
  return object;
}

Result<Object> object_at(const std::string& path) {
  if (path == kStandardInput) return Object{path, std::nullopt, {}};
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::unexpected(system_error(errno, "read", path));
  if (S_ISDIR(status.st_mode)) return std::unexpected(system_error(EISDIR, "read", path));
  if (S_ISSOCK(status.st_mode)) return std::unexpected(system_error(ENXIO, "read", path));
  return object_of(name_of(path, S_ISREG(status.st_mode)), status);
}

Error system_error(int number, std::string_view what, const std::string& path) {
  std::string_view why;
  if (number == ENOTDIR) why = "a part of the path is a file, not a folder";
  if (number == EISDIR) why = "it is a folder";
  if (number == ENXIO) why = "it is a socket";
  if (number == EMFILE || number == ENFILE) {
    why = "too many files are open; raise the limit (ulimit -n)";
  }
  const std::string shown = path == kStandardInput ? "standard input" : path;
  std::string message = "cannot " + std::string(what) + " " + shown + ": ";
  if (!why.empty()) return {code_of(number), message.append(why), std::strerror(number)};
  return {code_of(number), message.append(std::strerror(number)), {}};
}

}  // namespace dataflow::file
