#include "cmd/common/secrets.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "cmd/common/utf8.h"

namespace dataflow::cmd {

Result<std::string> read_secret_file(const std::string& setting, const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorCode::kInvalid, setting + " \"" + file + "\" " + what);
  };
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text(kLongestSecret + 3, '\0');  // a line end of two bytes, and one too many
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {
    return refuse(std::string("cannot be read: ") + std::strerror(errno));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return refuse("is empty: it holds the password and nothing else");
  if (text.size() > kLongestSecret) return refuse("is longer than 4096 bytes: is it a password?");
  if (text.find('\n') != std::string::npos) {
    return refuse("has several lines: it holds the password and nothing else");
  }
  if (!is_utf8(text)) return refuse("is not UTF-8");
  return text;
}

std::optional<std::string> exposure(const std::string& file, const std::string& what) {
  struct stat about{};
  if (stat(file.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
  if ((about.st_mode & (S_IROTH | S_IWOTH)) == 0) return std::nullopt;
  return file + ": " + what + ", and everybody on this machine may " +
         ((about.st_mode & S_IROTH) != 0 ? "read" : "change") + " it: chmod o-rwx " + file;
}

}  // namespace dataflow::cmd
