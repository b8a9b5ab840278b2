// For tests of this folder: running tasks to their end, whole objects, and a folder of its own.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/fetch.h"
#include "dataflow/mock/temp_dir.h"

namespace dataflow::file::testing_support {

inline boost::asio::thread_pool& executor() {
  static boost::asio::thread_pool pool(2);
  return pool;
}

template <class T>
std::future<T> start(Task<T> task) {
  return boost::asio::co_spawn(executor(), std::move(task), boost::asio::use_future);
}

template <class T>
T run(Task<T> task) {
  return start(std::move(task)).get();
}

inline Task<Result<std::string>> rest_of(dataflow::Reader& reader, std::size_t buffer_size) {
  std::string all;
  std::vector<char> buffer(buffer_size);
  while (true) {
    auto count = co_await reader.read(buffer);
    if (!count) co_return std::unexpected(std::move(count.error()));
    if (*count == 0) co_return all;
    all.append(buffer.data(), *count);
  }
}

inline Result<std::string> read_all(dataflow::Reader& reader, std::size_t buffer_size = 64 * 1024) {
  return run(rest_of(reader, buffer_size));
}

inline Result<std::string> read_object(dataflow::Fetch& fetch, const Object& object,
                                       std::size_t buffer_size = 64 * 1024) {
  auto reader = run(fetch.open(object));
  if (!reader) return std::unexpected(std::move(reader.error()));
  return read_all(**reader, buffer_size);
}

inline Task<Result<std::vector<Object>>> rest_of(dataflow::Listing& listing) {
  std::vector<Object> all;
  while (true) {
    auto page = co_await listing.next();
    if (!page) co_return std::unexpected(std::move(page.error()));
    if (page->empty()) co_return all;
    all.insert(all.end(), page->begin(), page->end());
  }
}

inline Result<std::vector<Object>> list_all(dataflow::Fetch& fetch, std::string_view source) {
  auto listing = run(fetch.list(source));
  if (!listing) return std::unexpected(std::move(listing.error()));
  return run(rest_of(**listing));
}

class TemporaryFolder : public mock::TempDir {
 public:
  // Writes a file, and the folders above it.
  std::string put(const std::string& name, const std::string& content = "{}\n") const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
};

// Gives a file another modification time.
inline void touch(const std::string& path, std::int64_t seconds, long nanoseconds) {
  const timespec time{seconds, nanoseconds};
  const timespec times[2] = {time, time};
  ::utimensat(AT_FDCWD, path.c_str(), times, 0);
}

// Bytes in which no two places look the same.
inline std::string bytes_of(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 88172645463325252ULL;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return bytes;
}

}  // namespace dataflow::file::testing_support
