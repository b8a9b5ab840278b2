#include "dataflow/rocksdb/tuning.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>

#include "dataflow/rocksdb/entry_codec.h"
#include "dataflow/rocksdb/event_log.h"
#include "dataflow/rocksdb/folder.h"

namespace dataflow::rocksdb {
namespace {

// Of the bytes for rows in memory, how much one buffer takes of them: three buffers of products
// (one is filled while two are written out), three of cache rows.
constexpr std::size_t kProductBufferShare = 4;
constexpr std::size_t kRowBufferShare = 12;
constexpr int kBuffersPerFamily = 3;
constexpr std::size_t kSmallBufferBytes = 1 << 20;

// A cache row takes about so much of a buffer: with a bucket (8 bytes) for each, few share one.
constexpr std::size_t kRowBytes = 96;

// What a killed process leaves to be read again at the next open.
constexpr std::uint64_t kMaxLogBytes = 128 << 20;

constexpr int kMaxOpenFiles = 256;
constexpr std::uint64_t kBytesPerSync = 1 << 20;
constexpr std::size_t kCompactionReadBytes = 256 << 10;

// A filter of 10 bits a key is wrong for one absent key in a hundred.
constexpr double kFilterBitsPerKey = 10;
constexpr std::size_t kProductBlockBytes = 16 << 10;
constexpr std::size_t kRowBlockBytes = 4 << 10;

// So many sorted runs wait for compaction before writers are slowed down, and stopped.
constexpr int kRunsToCompact = 16;
constexpr int kRunsToSlowDown = 40;
constexpr int kRunsToStop = 60;

::rocksdb::BlockBasedTableOptions table_options(std::shared_ptr<::rocksdb::Cache> cache,
                                                std::size_t block_bytes) {
  ::rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  table.block_size = block_bytes;
  table.filter_policy.reset(::rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  // Indexes and filters grow with the data: in pieces, in the cache, they are bounded by it.
  table.cache_index_and_filter_blocks = true;
  table.index_type = ::rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.pin_top_level_index_and_filter = true;
  table.data_block_index_type = ::rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  return table;
}

::rocksdb::ColumnFamilyOptions common_options(std::size_t buffer_bytes) {
  ::rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = buffer_bytes;
  family.max_write_buffer_number = kBuffersPerFamily;
  // What is fresh is merged soon: compressed then.
  family.compression = ::rocksdb::kLZ4Compression;
  family.compression_per_level = {::rocksdb::kNoCompression, ::rocksdb::kLZ4Compression};
  family.compaction_style = ::rocksdb::kCompactionStyleUniversal;
  family.level0_file_num_compaction_trigger = kRunsToCompact;
  family.level0_slowdown_writes_trigger = kRunsToSlowDown;
  family.level0_stop_writes_trigger = kRunsToStop;
  family.memtable_whole_key_filtering = true;
  family.memtable_prefix_bloom_size_ratio = 0.02;
  return family;
}

}  // namespace

::rocksdb::DBOptions database_options(const Options& options) {
  ::rocksdb::DBOptions database;
  database.create_if_missing = true;
  database.create_missing_column_families = true;
  database.max_background_jobs = static_cast<int>(std::clamp<std::size_t>(options.cpus, 2, 4));
  database.write_buffer_manager =
      std::make_shared<::rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  database.allow_concurrent_memtable_write = false;  // VectorRep allows one writer
  // One writer's rows go into the log while another's go into memory.
  database.enable_pipelined_write = true;
  database.max_total_wal_size = kMaxLogBytes;
  database.max_open_files = kMaxOpenFiles;
  // RocksDB starts the others at every opening, also where there is no file; and ends the process
  // where it may start some of them and not all.
  database.max_file_opening_threads = 1;
  database.bytes_per_sync = kBytesPerSync;
  database.compaction_readahead_size = kCompactionReadBytes;
  // The log of writes has it all; writing tables at the end would only make the end late.
  database.avoid_flush_during_shutdown = true;
  database.skip_stats_update_on_db_open = true;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.info_log = event_log(absolute_path(options.path));
  return database;
}

std::vector<::rocksdb::ColumnFamilyDescriptor> family_options(const Options& options) {
  const std::shared_ptr<::rocksdb::Cache> cache = ::rocksdb::NewLRUCache(options.block_cache_bytes);
  const auto family = [&cache](Family which, std::size_t buffer_bytes, std::size_t block_bytes) {
    ::rocksdb::ColumnFamilyOptions settings = common_options(buffer_bytes);
    settings.table_factory.reset(
        ::rocksdb::NewBlockBasedTableFactory(table_options(cache, block_bytes)));
    return ::rocksdb::ColumnFamilyDescriptor(kFamilyNames[static_cast<std::size_t>(which)],
                                             settings);
  };
  const std::size_t bytes = options.write_buffer_bytes;
  auto products = family(Family::kProducts, bytes / kProductBufferShare, kProductBlockBytes);
  // Rows wait unsorted: to be sorted once, when a table is written, costs a third of keeping them
  // sorted. The job does not read them meanwhile; ProductService::find knows (settle()).
  products.options.memtable_factory.reset(new ::rocksdb::VectorRepFactory());
  const std::size_t row_bytes = bytes / kRowBufferShare;
  auto rows = family(Family::kRows, row_bytes, kRowBlockBytes);
  // Entries are asked for by their whole keys only (an iterator needs total_order_seek): found by
  // hash, and sorted when a table is written.
  rows.options.prefix_extractor.reset(::rocksdb::NewCappedPrefixTransform(sizeof(EntryKey)));
  rows.options.memtable_factory.reset(::rocksdb::NewHashLinkListRepFactory(row_bytes / kRowBytes));
  return {family(Family::kMeta, kSmallBufferBytes, kRowBlockBytes), products, rows,
          family(Family::kObjects, kSmallBufferBytes, kRowBlockBytes)};
}

::rocksdb::DBOptions reader_options() {
  ::rocksdb::DBOptions database;
  database.max_open_files = -1;
  // RocksDB starts the others at every look for news, also when there is no file to open.
  database.max_file_opening_threads = 1;
  // A reader's events belong into no file of the database, and nobody asks for them elsewhere.
  database.info_log = no_log();
  database.skip_stats_update_on_db_open = true;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  return database;
}

std::vector<::rocksdb::ColumnFamilyDescriptor> reader_families(
    std::vector<::rocksdb::ColumnFamilyDescriptor> families) {
  for (auto& family : families) {
    family.options.memtable_factory = std::make_shared<::rocksdb::SkipListFactory>();
  }
  return families;
}

}  // namespace dataflow::rocksdb
