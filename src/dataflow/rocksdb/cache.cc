#include "dataflow/rocksdb/cache.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <xxhash.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "dataflow/rocksdb/meta.h"
#include "dataflow/rocksdb/status.h"

namespace dataflow::rocksdb {
namespace {

// So many rows are read, and changed, in one go; more are taken in several.
constexpr std::size_t kMaxRows = 1000;

Error damaged(const Database& database) {
  return Error{ErrorCode::kInternal,
               "an entry of the cache in the embedded database " + database.path() +
                   " is damaged; remove the database and load again",
               ""};
}

// The positions of the ids in the order of their keys; positions of one id in the order they stand
// in.
std::vector<std::uint32_t> in_key_order(std::span<const ProductId> ids) {
  std::vector<std::uint32_t> order(ids.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [ids](std::uint32_t a, std::uint32_t b) {
    const auto left = static_cast<std::uint64_t>(ids[a]);
    const auto right = static_cast<std::uint64_t>(ids[b]);
    return left != right ? left < right : a < b;
  });
  return order;
}

// The entries of ids[order[0]], ids[order[1]], ..., which are sorted, in that order.
Result<std::vector<CacheEntry>> read_entries(const Database& database, Namespace space,
                                             std::span<const ProductId> ids,
                                             std::span<const std::uint32_t> order) {
  const std::size_t count = order.size();
  std::vector<EntryKey> keys(count);
  std::vector<::rocksdb::Slice> slices(count);
  for (std::size_t i = 0; i < count; ++i) {
    keys[i] = EntryKey(space, static_cast<std::uint64_t>(ids[order[i]]));
    slices[i] = keys[i].view();
  }
  std::vector<::rocksdb::PinnableSlice> values(count);
  std::vector<::rocksdb::Status> statuses(count);
  database.db().MultiGet({}, database.family(Family::kRows), count, slices.data(), values.data(),
                         statuses.data(), /*sorted_input=*/true);
  std::vector<CacheEntry> entries(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) {
      return std::unexpected(error_of(statuses[i], "reading from", database.path()));
    }
    const auto entry = decode_entry(values[i].ToStringView());
    if (!entry) return std::unexpected(damaged(database));
    entries[i] = *entry;
  }
  return entries;
}

// Whether `entry` replaces `known` (which may be absent).
bool replaces(const CacheEntry& entry, const CacheEntry& known) {
  if (known.state == CacheEntry::State::kAbsent || entry.time > known.time) return true;
  return entry.time == known.time &&
         (known.state == CacheEntry::State::kDirty || entry.fingerprint == known.fingerprint);
}

std::string new_token() {
  std::random_device device;
  std::string token(kTokenBytes, '\0');
  const std::uint32_t parts[2] = {device(), device()};
  static_assert(sizeof parts == kTokenBytes);
  std::memcpy(token.data(), parts, sizeof parts);
  return token;
}

}  // namespace

// What one step changes, written as one batch.
class Cache::Change {
 public:
  Change(Database& database, Namespace space, ObjectId spared = kNoObject)
      : database_(database), space_(space), spared_(spared) {}

  void put(ProductId id, const CacheEntry& entry) {
    note(batch_.Put(database_.family(Family::kRows),
                    EntryKey(space_, static_cast<std::uint64_t>(id)).view(),
                    EntryValue(entry).view()));
  }
  void put(ObjectId object, const ObjectRecord& record) {
    note(batch_.Put(database_.family(Family::kObjects), EntryKey(space_, object).view(),
                    encode_record(record)));
  }
  // Deletes the object's record, made or being made.
  void lose(ObjectId object) {
    if (object == kNoObject || object == spared_) return;
    if (std::find(lost_.begin(), lost_.end(), object) != lost_.end()) return;
    lost_.push_back(object);
    note(batch_.Delete(database_.family(Family::kObjects), EntryKey(space_, object).view()));
  }
  Result<void> write() {
    if (!status_.ok()) {
      return std::unexpected(error_of(status_, "writing to", database_.path()));
    }
    return batch_.Count() == 0 ? Result<void>{} : database_.write(batch_);
  }

 private:
  void note(const ::rocksdb::Status& status) {
    if (!status.ok()) status_ = status;
  }

  Database& database_;
  const Namespace space_;
  const ObjectId spared_;  // keeps its record
  ::rocksdb::WriteBatch batch_;
  ::rocksdb::Status status_;
  std::vector<ObjectId> lost_;  // few: the objects that rows of one block came from
};

// Which session of the database it is belongs to the namespace (open_namespace).
Task<Result<std::string>> Cache::identity() {
  co_return "rocksdb " + database_->path() + " " + database_->identity();
}

Task<Result<void>> Cache::open(std::string_view incarnation, Mode mode) {
  co_return open_namespace(incarnation, mode);
}

Result<void> Cache::open_namespace(std::string_view incarnation, Mode mode) {
  std::string belongs_to(kEntryFormatVersion);
  for (const std::string& part : {std::string(incarnation), database_->incarnation()}) {
    belongs_to += '\0' + std::to_string(part.size()) + ':' + part;
  }
  const std::uint64_t hash = XXH3_64bits(belongs_to.data(), belongs_to.size());
  const Namespace space = hash == 0 ? 1 : hash;
  const std::string name = std::to_string(space);

  const std::lock_guard lock(step_);
  const auto current = database_->read_meta(kNamespaceKey);
  if (!current) return std::unexpected(current.error());
  if (*current != name && mode == Mode::kReadWrite) {
    ::rocksdb::WriteBatch batch;
    const std::string after_all(sizeof(EntryKey) + 1, '\xff');
    auto status = batch.Put(database_->family(Family::kMeta), kNamespaceKey, name);
    for (const Family family : {Family::kRows, Family::kObjects}) {
      if (!current->empty() && status.ok()) {
        status = batch.DeleteRange(database_->family(family), ::rocksdb::Slice(), after_all);
      }
    }
    if (!status.ok()) return std::unexpected(error_of(status, "writing to", database_->path()));
    if (auto written = database_->write(batch); !written) return written;
  }
  namespace_ = space;
  return {};
}

Result<void> Cache::check_open() const {
  if (namespace_ != 0) return {};
  return fail(ErrorCode::kInternal, "the cache was used before it was opened");
}

Task<Result<void>> Cache::find(std::span<const ProductId> ids, std::span<CacheEntry> entries) {
  if (auto open = check_open(); !open) co_return open;
  if (ids.size() != entries.size()) {
    co_return fail(ErrorCode::kInternal, "`ids` and `entries` differ in size");
  }
  for (std::size_t first = 0; first < ids.size(); first += kMaxRows) {
    const std::size_t count = std::min(kMaxRows, ids.size() - first);
    auto found = find_some(ids.subspan(first, count), entries.subspan(first, count));
    if (!found) co_return found;
  }
  co_return Result<void>{};
}

Result<void> Cache::find_some(std::span<const ProductId> ids, std::span<CacheEntry> entries) const {
  const auto order = in_key_order(ids);
  const auto known = read_entries(*database_, namespace_, ids, order);
  if (!known) return std::unexpected(known.error());
  for (std::size_t i = 0; i < order.size(); ++i) entries[order[i]] = (*known)[i];
  return {};
}

Task<Result<WriteTime>> Cache::forget(std::span<const ProductId> ids, Making making,
                                      WriteTime time) {
  if (auto open = check_open(); !open) co_return std::unexpected(open.error());
  WriteTime newest = 0;
  for (std::size_t first = 0; first < ids.size(); first += kMaxRows) {
    const auto some = ids.subspan(first, std::min(kMaxRows, ids.size() - first));
    auto known = forget_some(some, making, time);
    if (!known) co_return known;
    newest = std::max(newest, *known);
  }
  co_return newest;
}

Result<WriteTime> Cache::forget_some(std::span<const ProductId> ids, Making making,
                                     WriteTime time) {
  const auto order = in_key_order(ids);
  const std::lock_guard lock(step_);
  auto known = read_entries(*database_, namespace_, ids, order);
  if (!known) return std::unexpected(known.error());
  const auto spared = is_mark(making);
  if (!spared) return std::unexpected(spared.error());
  Change change(*database_, namespace_, *spared ? making.object : kNoObject);
  WriteTime newest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    CacheEntry& entry = (*known)[i];
    if (entry.state == CacheEntry::State::kAbsent) continue;
    newest = std::max(newest, entry.time);
    change.lose(entry.owner);
    if (entry.state == CacheEntry::State::kDirty && entry.time >= time) continue;
    entry.time = std::max(entry.time, time);
    entry.state = CacheEntry::State::kDirty;
    entry.repeated = false;
    entry.fingerprint = {};
    change.put(ids[order[i]], entry);
  }
  if (auto written = change.write(); !written) return std::unexpected(written.error());
  return newest;
}

Task<Result<std::size_t>> Cache::remember(std::span<const ProductId> ids,
                                          std::span<const CacheEntry> entries, Making making) {
  if (auto open = check_open(); !open) co_return std::unexpected(open.error());
  if (ids.size() != entries.size()) {
    co_return fail(ErrorCode::kInternal, "`ids` and `entries` differ in size");
  }
  for (const CacheEntry& entry : entries) {
    if (entry.state != CacheEntry::State::kStored) {
      co_return fail(ErrorCode::kInternal, "only stored rows are remembered");
    }
  }
  std::size_t not_taken = 0;
  for (std::size_t first = 0; first < ids.size(); first += kMaxRows) {
    const std::size_t count = std::min(kMaxRows, ids.size() - first);
    auto some = remember_some(ids.subspan(first, count), entries.subspan(first, count), making);
    if (!some) co_return some;
    not_taken += *some;
  }
  co_return not_taken;
}

Result<std::size_t> Cache::remember_some(std::span<const ProductId> ids,
                                         std::span<const CacheEntry> entries, Making making) {
  const auto order = in_key_order(ids);
  const std::lock_guard lock(step_);
  auto known = read_entries(*database_, namespace_, ids, order);
  if (!known) return std::unexpected(known.error());
  const auto spared = is_mark(making);
  if (!spared) return std::unexpected(spared.error());
  Change change(*database_, namespace_, *spared ? making.object : kNoObject);
  std::size_t not_taken = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const ProductId id = ids[order[i]];
    // An id that stands twice: what the one before it made of its entry is what this one meets.
    if (i > 0 && ids[order[i - 1]] == id) (*known)[i] = (*known)[i - 1];
    const CacheEntry& entry = entries[order[i]];
    if (!replaces(entry, (*known)[i])) {
      ++not_taken;
      continue;
    }
    const CacheEntry& was = (*known)[i];
    if (was.owner != entry.owner || was.fingerprint != entry.fingerprint) change.lose(was.owner);
    change.put(id, entry);
    (*known)[i] = entry;
  }
  if (auto written = change.write(); !written) return std::unexpected(written.error());
  return not_taken;
}

Task<Result<std::vector<bool>>> Cache::find_objects(std::span<const Object> objects) {
  if (auto open = check_open(); !open) co_return std::unexpected(open.error());
  co_return find_records(objects);
}

Result<std::optional<ObjectRecord>> Cache::read_record(ObjectId object) const {
  std::string value;
  const EntryKey key(namespace_, object);
  const auto status =
      database_->db().Get({}, database_->family(Family::kObjects), key.view(), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return std::unexpected(error_of(status, "reading from", database_->path()));
  auto record = decode_record(value);
  if (!record) return std::unexpected(damaged(*database_));
  return record;
}

Result<std::vector<bool>> Cache::find_records(std::span<const Object> objects) const {
  std::vector<bool> stored(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto record = read_record(object_id(objects[i].name));
    if (!record) return std::unexpected(record.error());
    if (!*record) continue;
    const std::string version = version_of(objects[i]);
    stored[i] = !version.empty() && (*record)->made == version;
  }
  return stored;
}

Result<bool> Cache::is_mark(Making making) const {
  if (making.token.empty()) return false;
  const auto record = read_record(making.object);
  if (!record) return std::unexpected(record.error());
  return *record && !(*record)->made && (*record)->token == making.token;
}

Task<Result<std::string>> Cache::begin_object(ObjectId object) {
  if (auto open = check_open(); !open) co_return std::unexpected(open.error());
  co_return begin_record(object);
}

Result<std::string> Cache::begin_record(ObjectId object) {
  std::string token = new_token();
  Change change(*database_, namespace_);
  change.put(object, ObjectRecord{token, std::nullopt});
  const std::lock_guard lock(step_);
  if (auto written = change.write(); !written) return std::unexpected(written.error());
  return token;
}

Task<Result<bool>> Cache::end_object(const Object& object, std::string_view token) {
  if (auto open = check_open(); !open) co_return std::unexpected(open.error());
  co_return end_record(object, token);
}

Result<bool> Cache::end_record(const Object& object, std::string_view token) {
  const ObjectId id = object_id(object.name);
  const std::lock_guard lock(step_);
  const auto record = read_record(id);
  if (!record) return std::unexpected(record.error());
  if (!*record || (*record)->token != token) return false;
  Change change(*database_, namespace_);
  change.put(id, ObjectRecord{(*record)->token, version_of(object)});
  if (auto written = change.write(); !written) return std::unexpected(written.error());
  return true;
}

Task<Result<bool>> Cache::still_trustworthy() {
  if (auto open = check_open(); !open) co_return std::unexpected(open.error());
  co_return true;
}

}  // namespace dataflow::rocksdb
