// Goal: names and patterns of sources, of S3 and of files, are understood or refused in bounded
// time; a pattern's matches begin as it says; no pattern leaves its folder by itself.
//
// Input: "s3" and a newline: a pattern, a newline, a key. Anything else: a path or pattern in a
// small folder with a link in a loop.
#include <fnmatch.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "dataflow/file/path.h"
#include "dataflow/file/sources.h"
#include "dataflow/s3/name.h"
#include "dataflow/s3/pattern.h"
#include "fuzz/support.h"

namespace dataflow {
namespace {

using fuzz::check;
namespace fs = std::filesystem;

// A folder of files, made once and removed at the end; its path is never destroyed.
const fs::path& folder() {
  static const auto* const made = [] {
    std::string pattern = fs::temp_directory_path() / "dataflow-fuzz-XXXXXX";
    check(::mkdtemp(pattern.data()) != nullptr, "there is a folder to write to");
    const fs::path root = fs::canonical(pattern);
    for (const char* name : {"a.jsonl", "b.jsonl.gz", "A.NDJSON", "note.txt", ".hidden.jsonl",
                             "in/[1].jsonl", "in/x y.jsonl", "in/q\"'\\.jsonl", "in/n\nl.jsonl",
                             "in/deep/er/c.json", "in/\xff\xfe.jsonl"}) {
      fs::create_directories((root / name).parent_path());
      std::ofstream(root / name) << "{}\n";
    }
    fs::create_directory_symlink("..", root / "in/loop");
    std::atexit([] { fs::remove_all(folder()); });
    return new fs::path(root);
  }();
  return *made;
}

// Patterns that would look elsewhere in the file system are a user's right, not a fuzzer's.
bool stays_inside(std::string_view source) {
  return !source.contains("..") && !source.contains("/.") && !source.starts_with('.') &&
         !source.contains("\\.") && source.size() < 256;  // an escaped dot is one: "\\.*" has ".."
}

void check_files(std::string_view source) {
  if (!stays_inside(source)) return;
  const std::string path = folder().string() + "/" + std::string(source);
  const auto objects = file::objects_of(path);
  if (!objects) {
    check(!objects.error().message.empty(), "what is wrong is said");
    return;
  }
  std::string_view last;
  for (const Object& object : *objects) {
    check(object.name.starts_with(folder().string() + "/"), "a match is inside", object.name);
    check(last < object.name, "names ascend, each once", object.name);
    check(file::object_at(object.name).value().name == object.name, "a name is its own name",
          object.name);
    last = object.name;
  }
}

void check_name(std::string_view text) {
  const auto name = s3::parse_name(text);
  if (!name) {
    check(name.error().code == ErrorCode::kInvalid, "a name is understood or refused");
    return;
  }
  const auto again = s3::parse_name(s3::to_name(name->bucket, name->key));
  check(again && again->bucket == name->bucket && again->key == name->key,
        "a name is put together as it was", text);
}

void check_pattern(const std::string& pattern, const std::string& key) {
  if (pattern.size() > 1'024 || key.size() > 1'024) return;
  const bool matches = s3::matches(pattern, key);
  if (matches) {
    check(key.starts_with(s3::literal_prefix(pattern)), "every match begins as the pattern",
          pattern);
  }
  const bool plain = pattern.find_first_of("*?[\\") == std::string::npos;
  if (plain) check(matches == (pattern == key), "a plain pattern matches itself", pattern);
  // What has neither "**" nor brackets is what fnmatch(3) says, which is slow at many stars.
  const auto stars = std::count(pattern.begin(), pattern.end(), '*');
  const bool zero = pattern.contains('\0') || key.contains('\0');
  if (zero || stars > 3 || pattern.contains("**") || pattern.contains('[')) return;
  check(matches == (::fnmatch(pattern.c_str(), key.c_str(), FNM_PATHNAME) == 0),
        "a pattern is what fnmatch says", pattern + "\n" + key);
}

}  // namespace
}  // namespace dataflow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dataflow;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (!input.starts_with("s3\n")) {
    check_files(input);
    return 0;
  }
  input.remove_prefix(3);
  const std::size_t newline = std::min(input.find('\n'), input.size());
  const std::string_view pattern = input.substr(0, newline);
  const std::string_view key = input.substr(std::min(newline + 1, input.size()));
  check_name(pattern);
  check_name("s3://bucket/" + std::string(key));
  check_pattern(std::string(pattern), std::string(key));
  return 0;
}
