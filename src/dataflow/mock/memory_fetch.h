// MemoryFetch: a Fetch whose objects are strings, for tests of what reads objects.
//
// A source is the name of an object, or a prefix that ends with '*' or '/'. Reads deliver the bytes
// in pieces of `piece` bytes and check that the object is still the version that was opened. Thread
// safety: as Fetch. Settings are made before it is used.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "dataflow/fetch.h"

namespace dataflow::mock {

class MemoryFetch : public dataflow::Fetch {
 public:
  std::size_t piece = 64 * 1024;  // bytes that one read delivers at most
  std::size_t page = 1000;        // objects that one Listing::next delivers at most
  // Asked before each read with the object and the bytes delivered so far; its error is the read's.
  std::function<Result<void>(const Object&, std::uint64_t)> before_read;

  // Makes or replaces an object. An empty version: one that was never used before.
  Object put(std::string name, std::string content, std::string version = {});
  // The same, with nothing that proves its content and an unknown size: a stream.
  Object put_stream(std::string name, std::string content);
  void remove(std::string_view name);

  Task<Result<std::unique_ptr<dataflow::Listing>>> list(std::string_view source) override;
  Task<Result<Object>> stat(std::string_view name) override;
  Task<Result<std::unique_ptr<dataflow::Reader>>> open(const Object& object) override;

  // How often an object of this name was opened, and how many bytes were delivered in all.
  std::size_t opens(std::string_view name) const;
  std::uint64_t bytes_read() const;

 private:
  class MemoryReader;

  struct Stored {
    Object object;
    std::string content;
  };

  Result<std::size_t> read(const Object& object, std::uint64_t offset, std::span<char> buffer);

  mutable std::mutex mutex_;
  std::map<std::string, Stored, std::less<>> objects_;
  std::map<std::string, std::size_t, std::less<>> opens_;
  std::uint64_t bytes_read_ = 0;
  std::size_t versions_ = 0;
};

}  // namespace dataflow::mock
