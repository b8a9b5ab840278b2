// Fetch: lists the objects of a source and opens one as a stream of bytes. `s3` and `file`
// implement it.
//
// Thread safety: a Fetch may be used concurrently; one Listing and one Reader are used by one
// coroutine at a time. Tasks resume on their caller's executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/task.h"

namespace dataflow {

// The name of an object in 64 bits (XXH3 of the name); 0 is no object.
using ObjectId = std::uint64_t;
inline constexpr ObjectId kNoObject = 0;
ObjectId object_id(std::string_view name);

// A file, an S3 object, or standard input.
struct Object {
  std::string name;  // "s3://bucket/key", an absolute path, or "-"
  std::optional<std::uint64_t>
      size;  // bytes as stored (compressed where it is); unknown for a stream
  // What proves that the content is the same as before: ETag and size, or modification time to the
  // nanosecond and size. Empty where nothing does: such an object is always read.
  std::string version;

  friend bool operator==(const Object&, const Object&) = default;
};

// The objects of one source, page after page, names ascending in byte order.
class Listing {
 public:
  virtual ~Listing() = default;
  // The next objects; an empty vector at the end. After an error the listing is not continued.
  virtual Task<Result<std::vector<Object>>> next() = 0;
};

// The bytes of one version of one object, from its beginning. Parallel ranged reads, retries and
// resuming are inside. A Reader may be destroyed at any point, not during a read.
class Reader {
 public:
  virtual ~Reader() = default;
  // Fills a part of `buffer`, at least one byte, and tells how much; 0 at the end of the object,
  // and only when the whole object was delivered. kConflict: the object is not any more the version
  // that was opened; nothing read after that belongs to it. kNotFound: it was deleted meanwhile.
  virtual Task<Result<std::size_t>> read(std::span<char> buffer) = 0;
  // What the bytes are compressed with where the source knows it ("gzip", "zstd"; S3's
  // Content-Encoding), and not only the object's name; else empty.
  virtual std::string_view coding() const { return {}; }
};

class Fetch {
 public:
  virtual ~Fetch() = default;
  // The objects that `source` names. kNotFound where it names none (a missing path, a glob or
  // prefix that matches nothing); kInvalid where it cannot be understood. An empty folder is an
  // empty listing.
  virtual Task<Result<std::unique_ptr<Listing>>> list(std::string_view source) = 0;
  // The object of this name as it is now.
  virtual Task<Result<Object>> stat(std::string_view name) = 0;
  // Opens exactly the version given: kConflict where the object has changed since it was listed.
  virtual Task<Result<std::unique_ptr<Reader>>> open(const Object& object) = 0;
};

}  // namespace dataflow
