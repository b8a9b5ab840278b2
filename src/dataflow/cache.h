// Cache: knows which rows and which objects the store already holds. `redis` and `rocksdb`
// implement it.
//
// The cache is advice: absent, evicted, slow or lost entries cost a write, never a row. What it
// says must nevertheless not be wrong, and these are the rules that keep it right:
// - It belongs to one incarnation of one table (open()). Entries of another incarnation are
// invisible.
// - An entry says "the store holds content F of this row, written at T, from object O". It is made
// after the
//   store's acknowledgement (remember()), only ever replaced by one with a newer time, in one step.
// - Before a row whose entry says something else is written, the entry is made dirty (forget()):
// killed
//   between the two, the next run writes the row again. A dirty entry carries the newest write time
//   that anybody is going to use: of several jobs that write the row, only the last one's
//   remember() is taken, also when that job was killed before it could make it.
// - An object's record says "all its rows are stored as they are in this version of it". A row that
//   changes hands, gets other content or is made dirty deletes the record of the object it came
//   from, also when that record is only being made (begin_object()) by another job; and also where
//   the new content comes from another version of the same object. Only the mark of the job that
//   takes the row stays (Making).
// - One cache at a time is told of what is written to a table: ProductService::trust_cache().
//
// Thread safety: as ProductService. Errors: kUnavailable (down, slow, refused, full) or
// kUnauthorized; after one, what the call would have changed may or may not be changed.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/error.h"
#include "dataflow/fetch.h"
#include "dataflow/product.h"
#include "dataflow/product_service.h"
#include "dataflow/task.h"

namespace dataflow {

// 128 bits of the row's content (XXH3). All zero: no content, a dirty entry.
using Fingerprint = std::array<std::uint64_t, 2>;

struct CacheEntry {
  enum class State : std::uint8_t {
    kAbsent,  // nothing is known
    kDirty,  // a write is or was under way: what the store holds is not known; `time` is the newest
             // of these writes
    kStored,  // the store holds `fingerprint`
  };
  State state = State::kAbsent;
  bool repeated = false;  // an earlier line of the same object held another version of this row
  Fingerprint fingerprint{};
  WriteTime time = 0;          // the write time of the row
  ObjectId owner = kNoObject;  // the object that the row came from

  friend bool operator==(const CacheEntry&, const CacheEntry&) = default;
};

// What a job is doing when it takes a row: the object that it takes it from, and the token of its
// begin_object(), by which it knows its own mark from another job's. Without a token it makes no
// record.
struct Making {
  // Implicit: who makes no record names the object.
  Making(ObjectId taken_from, std::string_view with_token = {})
      : object(taken_from), token(with_token) {}

  ObjectId object;
  std::string_view token;
};

class Cache {
 public:
  virtual ~Cache() = default;

  enum class Mode {
    kReadWrite,
    kReadOnly,  // a dry run: open() itself changes nothing, and only find and find_objects are
                // called
  };

  // What tells this cache, as it is now, from every other one, and from itself with older content:
  // for ProductService::trust_cache(). May be called before open(). Never empty.
  virtual Task<Result<std::string>> identity() = 0;

  // Binds the cache to `incarnation` (see ProductService::incarnation), the version of the mapping
  // from lines to rows, and whatever of its own makes it another cache (its server's restart). To
  // be called before anything else but identity(), and again after the incarnation changed. Old
  // incarnations' entries are removed sooner or later.
  virtual Task<Result<void>> open(std::string_view incarnation, Mode mode = Mode::kReadWrite) = 0;

  // What is known of each row: entries[i] for ids[i].
  virtual Task<Result<void>> find(std::span<const ProductId> ids,
                                  std::span<CacheEntry> entries) = 0;

  // Makes the entries of these rows dirty before other content is written at `time`, and deletes
  // the records of the objects that owned them, the mark of `making` excepted. Returns the newest
  // write time that was known of any of them (0 where none). Where that is not older than `time`,
  // the coming write needs a newer one, and this is to be called again with it. An absent entry
  // stays absent.
  virtual Task<Result<WriteTime>> forget(std::span<const ProductId> ids, Making making,
                                         WriteTime time) = 0;

  // Remembers acknowledged rows: entries[i] for ids[i], state kStored. Each replaces what is there
  // only if it is newer, or the write that a dirty entry waits for (same time), or the same write
  // (same time and content) changing hands. An owner that loses a row, or whose row gets other
  // content, loses its record, the mark of `making` excepted. Returns how many were not taken
  // because a newer entry stands: the object that these rows come from must not be called complete.
  virtual Task<Result<std::size_t>> remember(std::span<const ProductId> ids,
                                             std::span<const CacheEntry> entries,
                                             Making making) = 0;

  // For each object, whether its record says that exactly this version of it is stored. An object
  // without a version never is.
  virtual Task<Result<std::vector<bool>>> find_objects(std::span<const Object> objects) = 0;

  // Marks a record as being made, before the first row of the object is compared. The token goes to
  // end_object.
  virtual Task<Result<std::string>> begin_object(ObjectId object) = 0;

  // Makes the record, if nobody has taken a row of the object since begin_object. False if somebody
  // has.
  virtual Task<Result<bool>> end_object(const Object& object, std::string_view token) = 0;

  // False when records found by find_objects during this run may have been wrong (entries were
  // evicted, the cache was emptied or restarted since open()): objects skipped because of them have
  // to be read after all.
  virtual Task<Result<bool>> still_trustworthy() = 0;
};

}  // namespace dataflow
