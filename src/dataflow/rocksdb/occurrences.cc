#include "dataflow/rocksdb/occurrences.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>

#include "dataflow/rocksdb/event_log.h"
#include "dataflow/rocksdb/folder.h"
#include "dataflow/rocksdb/product_codec.h"
#include "dataflow/rocksdb/status.h"

namespace dataflow::rocksdb {
namespace {

namespace fs = std::filesystem;

// Together about 32 MiB: three buffers of writes, and the cache of blocks and filters.
constexpr std::size_t kWriteBufferBytes = 4 << 20;
constexpr int kWriteBuffers = 3;
constexpr std::size_t kBlockCacheBytes = 20 << 20;
constexpr double kFilterBitsPerKey = 10;
constexpr int kMaxOpenFiles = 128;
constexpr std::size_t kMaxKeys = 1000;
constexpr std::uint64_t kMaxOrder = ~std::uint64_t{0} >> 1;

constexpr std::string_view kPrefix = "dataflow-run.";
constexpr std::string_view kSuffix = ".part";
// A folder that another process is just making may not be locked yet.
constexpr auto kStaleAfter = std::chrono::minutes(1);

::rocksdb::Options tuned() {
  ::rocksdb::Options options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = kWriteBuffers;
  options.compression = ::rocksdb::kNoCompression;
  options.compaction_style = ::rocksdb::kCompactionStyleUniversal;
  options.level0_file_num_compaction_trigger = 8;
  options.level0_slowdown_writes_trigger = 30;
  options.max_open_files = kMaxOpenFiles;
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.02;
  options.avoid_flush_during_shutdown = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = no_log();
  ::rocksdb::BlockBasedTableOptions table;
  table.block_cache = ::rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(::rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  table.cache_index_and_filter_blocks = true;
  table.index_type = ::rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.format_version = 5;
  options.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// How the folders of this process begin. Its number alone will not do: in a container every run is
// process 1, and would take those of killed ones for its own.
const std::string& beginning_of_ours() {
  static const std::string beginning = [] {
    std::random_device random;
    return std::string(kPrefix) + std::to_string(::getpid()) + "-" + std::to_string(random()) +
           std::to_string(random()) + ".";
  }();
  return beginning;
}

// Removes the folders of runs that were killed: those that nobody holds locked.
void remove_stale(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    if (name.starts_with(beginning_of_ours()))
      continue;  // looking at our own lock would release it
    const auto made = fs::last_write_time(entry->path() / "LOCK", error);
    if (error || fs::file_time_type::clock::now() - made < kStaleAfter) {
      error.clear();
      continue;
    }
    if (!is_locked(entry->path().string())) fs::remove_all(entry->path(), error);
    error.clear();
  }
}

void append_varint(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

std::string encode(const Occurrences::Seen& seen) {
  std::string value;
  append_varint(value, seen.order << 1 | (seen.written ? 1 : 0));
  return value;
}

bool decode(std::string_view value, Occurrences::Seen& seen) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < value.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(value[i]);
    number |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      seen = {number >> 1, (number & 1) != 0};
      return i + 1 == value.size();
    }
  }
  return false;
}

}  // namespace

Occurrences::Occurrences(std::string path) : path_(std::move(path)) {}

Result<std::unique_ptr<Occurrences>> Occurrences::create(const std::string& directory) {
  const char* temporary = std::getenv("TMPDIR");
  const std::string where = !directory.empty()                           ? directory
                            : temporary != nullptr && *temporary != '\0' ? temporary
                                                                         : "/tmp";
  std::error_code error;
  if (!fs::is_directory(where, error)) {
    return fail(ErrorCode::kInvalid,
                "the temporary data of the run has no place: " + where + " is not a folder");
  }
  const fs::path parent = absolute_path(where);
  remove_stale(parent);
  std::random_device random;
  const std::string name = beginning_of_ours() + std::to_string(random()) + std::string(kSuffix);
  std::unique_ptr<Occurrences> made(new Occurrences((parent / name).string()));
  ::rocksdb::DB* db = nullptr;
  const auto status = ::rocksdb::DB::Open(tuned(), made->path_, &db);
  made->db_.reset(db);
  if (!status.ok()) return std::unexpected(error_of(status, "making", made->path_));
  return made;
}

Occurrences::~Occurrences() {
  if (db_) (void)db_->Close();
  db_.reset();
  std::error_code error;
  fs::remove_all(path_, error);
}

Result<void> Occurrences::get(std::span<const ProductId> ids, std::span<Seen> seen) {
  if (ids.size() != seen.size()) {
    return fail(ErrorCode::kInternal, "`ids` and `seen` differ in size");
  }
  for (std::size_t first = 0; first < ids.size(); first += kMaxKeys) {
    const std::size_t count = std::min(kMaxKeys, ids.size() - first);
    auto got = get_some(ids.subspan(first, count), seen.subspan(first, count));
    if (!got) return got;
  }
  return {};
}

Result<void> Occurrences::get_some(std::span<const ProductId> ids, std::span<Seen> seen) {
  const std::size_t count = ids.size();
  std::vector<ProductKey> keys;
  keys.reserve(count);
  for (const ProductId id : ids) keys.emplace_back(id);
  std::vector<::rocksdb::Slice> slices;
  slices.reserve(count);
  for (const ProductKey& key : keys) slices.emplace_back(key.view());
  std::vector<::rocksdb::PinnableSlice> values(count);
  std::vector<::rocksdb::Status> statuses(count);
  db_->MultiGet({}, db_->DefaultColumnFamily(), count, slices.data(), values.data(),
                statuses.data());
  for (std::size_t i = 0; i < count; ++i) {
    seen[i] = Seen{};
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return std::unexpected(error_of(statuses[i], "reading from", path_));
    if (!decode(values[i].ToStringView(), seen[i])) {
      return fail(ErrorCode::kInternal, "the temporary data of the run, " + path_ + ", is damaged");
    }
  }
  return {};
}

Result<void> Occurrences::put(std::span<const ProductId> ids, std::span<const Seen> seen) {
  if (ids.size() != seen.size()) {
    return fail(ErrorCode::kInternal, "`ids` and `seen` differ in size");
  }
  ::rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  ::rocksdb::WriteBatch batch;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (seen[i].order > kMaxOrder) return fail(ErrorCode::kInternal, "an order is too large");
    auto status = batch.Put(ProductKey(ids[i]).view(), encode(seen[i]));
    if (status.ok() && (i + 1 == ids.size() || batch.Count() >= kMaxKeys)) {
      status = db_->Write(unlogged, &batch);
      batch.Clear();
    }
    if (!status.ok()) return std::unexpected(error_of(status, "writing to", path_));
  }
  return {};
}

}  // namespace dataflow::rocksdb
