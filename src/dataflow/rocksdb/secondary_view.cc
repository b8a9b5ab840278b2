#include "dataflow/rocksdb/secondary_view.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
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

// The names of the logs in the folder, sorted.
std::vector<std::string> logs_in(const std::string& path) {
  std::vector<std::string> logs;
  std::error_code error;
  namespace fs = std::filesystem;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".log") logs.push_back(entry->path().filename().string());
  }
  std::sort(logs.begin(), logs.end());
  return logs;
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
    ::rocksdb::DB* db = nullptr;
    status = ::rocksdb::DB::OpenAsSecondary(reader_options(), path, path, families,
                                            &view->families_, &db);
    view->db_.reset(db);
    if (!status.ok()) continue;
    const auto logs = logs_in(path);
    if (!std::ranges::includes(logs, logs_before)) {
      status = ::rocksdb::Status::TryAgain("its logs go while they are read");
      continue;
    }
    const auto format = view->read_meta(kFormatKey);
    if (!format) return std::unexpected(format.error());
    if (*format != kFormat && !format->empty()) return other_format(path, *format);
    if (format->empty()) return not_there(path);
    (void)view->may_hide_newer_rows(logs);
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
  if (!db_->TryCatchUpWithPrimary().ok()) return State::kOutdated;
  const auto logs = logs_in(path_);
  // A log that went after the manifest was read and before the logs were has its rows in tables
  // that the manifest did not name yet.
  if (!std::ranges::includes(logs, logs_before)) return State::kOutdated;
  return may_hide_newer_rows(logs) ? State::kOutdated : State::kCurrent;
}

bool SecondaryView::may_hide_newer_rows(const std::vector<std::string>& logs) {
  using Properties = ::rocksdb::DB::Properties;
  std::uint64_t rows = 0;
  std::uint64_t version = 0;
  if (!db_->GetIntProperty(products(), Properties::kNumEntriesActiveMemTable, &rows) ||
      !db_->GetIntProperty(products(), Properties::kCurrentSuperVersionNumber, &version)) {
    return true;
  }
  const bool is_other_version = std::exchange(version_, version) != version;
  if (rows == rows_in_memory_) {
    // No new rows: the old ones are safe as long as each log that they may have come from is there,
    // for what is at its end will still be read; unless the writer has put all of it into tables
    // meanwhile (another version), so that the end is passed over.
    return rows > 0 && (is_other_version || !std::ranges::includes(logs, their_logs_));
  }
  rows_in_memory_ = rows;
  their_logs_ = logs;
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
