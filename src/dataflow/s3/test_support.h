// For tests of this folder: running tasks to their end, reading whole objects, and an environment
// of their own.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dataflow/fetch.h"

extern char** environ;

namespace dataflow::s3::testing_support {

inline boost::asio::thread_pool& executor() {
  static boost::asio::thread_pool pool(2);
  return pool;
}

template <class T>
T run(Task<T> task) {
  return boost::asio::co_spawn(executor(), std::move(task), boost::asio::use_future).get();
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

inline Result<std::string> read_object(dataflow::Fetch& fetch, const Object& object) {
  auto reader = run(fetch.open(object));
  if (!reader) return std::unexpected(std::move(reader.error()));
  return read_all(**reader);
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

inline std::vector<std::string> names_of(const Result<std::vector<Object>>& objects) {
  std::vector<std::string> names;
  if (!objects) return {objects.error().describe()};
  for (const auto& object : *objects) names.push_back(object.name);
  return names;
}

// Looks again until `condition` holds or the deadline passes.
inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::seconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// No AWS_ variables but these, until it is destroyed.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      const auto equals = text.find('=');
      if (text.starts_with("AWS_")) before_[text.substr(0, equals)] = text.substr(equals + 1);
    }
    set(before_, variables);
    now_ = variables;
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { set(now_, before_); }

 private:
  static void set(const std::map<std::string, std::string>& from,
                  const std::map<std::string, std::string>& to) {
    for (const auto& [name, value] : from) unsetenv(name.c_str());
    for (const auto& [name, value] : to) setenv(name.c_str(), value.c_str(), 1);
  }

  std::map<std::string, std::string> before_;
  std::map<std::string, std::string> now_;
};

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

}  // namespace dataflow::s3::testing_support
