#include "dataflow/rocksdb/secondary_view.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "dataflow/rocksdb/folder.h"
#include "dataflow/rocksdb/meta.h"
#include "dataflow/rocksdb/status.h"
#include "dataflow/rocksdb/tuning.h"

namespace dataflow::rocksdb {
namespace {

// The writer may replace files between the reading of its manifest and the opening of the tables.
constexpr int kOpenAttempts = 5;

// kMeta and kProducts.
constexpr std::size_t kFollowedFamilies = 2;

// The number of the last table made, which says whether there are others. 0 where there is none.
// (RocksDB's number for the version of a family also changes where nothing has.)
std::uint64_t newest_table(::rocksdb::DB& db, ::rocksdb::ColumnFamilyHandle* family) {
  ::rocksdb::ColumnFamilyMetaData about;
  db.GetColumnFamilyMetaData(family, &about);
  std::uint64_t newest = 0;
  for (const auto& level : about.levels) {
    for (const auto& table : level.files) newest = std::max(newest, table.file_number);
  }
  return newest;
}

std::unexpected<Error> not_there(const std::string& path) {
  return fail(ErrorCode::kUnavailable, "there is no embedded database " + path +
                                           " yet; run the job, it makes one and fills it");
}

}  // namespace

Result<std::shared_ptr<SecondaryView>> SecondaryView::open(const std::string& path,
                                                           std::size_t block_cache_bytes) {
  Options options;
  options.block_cache_bytes = block_cache_bytes;
  auto families = reader_families(family_options(options));
  families.resize(kFollowedFamilies);
  ::rocksdb::Status status;
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    std::shared_ptr<SecondaryView> view(new SecondaryView(path));
    view->identity_ = folder_identity(path);
    if (view->identity_.empty()) {
      if (auto checked = check_folder(path); !checked) return std::unexpected(checked.error());
      return not_there(path);
    }
    const auto logs_before = logs_in(path);
    if (!logs_before) return std::unexpected(logs_before.error());
    ::rocksdb::DB* db = nullptr;
    status = ::rocksdb::DB::OpenAsSecondary(reader_options(), path, path, families,
                                            &view->families_, &db);
    view->db_.reset(db);
    if (!status.ok()) continue;
    const auto format = view->read_meta(kFormatKey);
    if (!format) return std::unexpected(format.error());
    if (*format != kFormat && !format->empty()) return other_format(path, *format);
    const auto logs = logs_in(path);
    if (!logs) return std::unexpected(logs.error());
    if (format->empty()) {
      if (std::ranges::includes(*logs, *logs_before)) return not_there(path);
      status = ::rocksdb::Status::TryAgain("its first log went while it was read");
      continue;
    }
    (void)view->may_hide_newer_rows(*logs_before, *logs);
    return view;
  }
  // A database that is just being made has no families yet.
  if (status.IsInvalidArgument() || status.IsNotFound() || status.IsPathNotFound()) {
    return not_there(path);
  }
  return std::unexpected(error_of(status, "following", path));
}

SecondaryView::SecondaryView(std::string path) : path_(std::move(path)) {}

SecondaryView::~SecondaryView() {
  if (!db_) return;
  for (auto* family : families_) (void)db_->DestroyColumnFamilyHandle(family);
}

SecondaryView::State SecondaryView::catch_up() {
  if (folder_identity(path_) != identity_) return State::kOutdated;
  const auto logs_before = logs_in(path_);
  if (!logs_before || !db_->TryCatchUpWithPrimary().ok()) return State::kOutdated;
  const auto logs = logs_in(path_);
  if (!logs || may_hide_newer_rows(*logs_before, *logs)) return State::kOutdated;
  // A log that went after the manifest was read and before the logs were has its rows in tables
  // that the manifest did not name yet: it does by now. A writer in a hurry lets logs go many times
  // a second; to read on takes much less time than to open the view again.
  return std::ranges::includes(*logs, *logs_before) ? State::kCurrent : State::kBehind;
}

bool SecondaryView::may_hide_newer_rows(const std::vector<std::string>& logs_before,
                                        const std::vector<std::string>& logs) {
  std::uint64_t rows = 0;
  if (!db_->GetIntProperty(products(), ::rocksdb::DB::Properties::kNumEntriesActiveMemTable,
                           &rows)) {
    return true;
  }
  const std::uint64_t table = newest_table(*db_, products());
  const bool is_other_table = std::exchange(newest_table_, table) != table;
  if (rows == rows_in_memory_) {
    // No new rows: the old ones are safe as long as each log that they may have come from is there,
    // for what is at its end will still be read; unless the writer has put all of it into tables
    // meanwhile, so that the end is passed over.
    return rows > 0 && (is_other_table || !std::ranges::includes(logs, their_logs_));
  }
  // They may have come from a log that is gone by now, without those of a newer one that went
  // before it: RocksDB deletes the newest first.
  rows_in_memory_ = rows;
  their_logs_.clear();
  std::ranges::set_union(logs_before, logs, std::back_inserter(their_logs_));
  return false;
}

Result<std::string> SecondaryView::read_meta(std::string_view key) const {
  return rocksdb::read_meta(*db_, families_[0], path_, key);
}

Result<std::string> SecondaryView::incarnation() const {
  const auto identity = read_meta(kIdentityKey);
  if (!identity) return identity;
  const auto epoch = read_meta(kEpochKey);
  if (!epoch) return epoch;
  return incarnation_of(path_, *identity, *epoch);
}

}  // namespace dataflow::rocksdb
