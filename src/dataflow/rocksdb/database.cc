#include "dataflow/rocksdb/database.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "dataflow/rocksdb/event_log.h"
#include "dataflow/rocksdb/folder.h"
#include "dataflow/rocksdb/identity.h"
#include "dataflow/rocksdb/meta.h"
#include "dataflow/rocksdb/status.h"
#include "dataflow/rocksdb/tuning.h"

namespace dataflow::rocksdb {
namespace {

// For a dry run beside a job that replaces files between the reading of its manifest and that of
// its tables and logs. One is mostly enough; with buffers of 256 KiB up to ten were needed.
constexpr int kReadAttempts = 50;

std::unexpected<Error> held(const std::string& path, const ::rocksdb::Status& status) {
  // RocksDB knows of its own process; asking the system would release the lock there.
  const bool ours = status.ToString().find("current process") != std::string::npos;
  const std::string holder = ours ? "this process" : holder_of(path);
  return fail(ErrorCode::kConflict,
              "the embedded database " + path + " is in use by " + holder +
                  ": wait until it has ended, or stop it",
              status.ToString());
}

bool is_held(const ::rocksdb::Status& status) {
  const std::string words = status.ToString();
  return status.IsIOError() && words.find("LOCK") != std::string::npos &&
         (words.find("current process") != std::string::npos ||
          words.find("Resource temporarily unavailable") != std::string::npos);
}

}  // namespace

Database::Database(Options options)
    : options_(std::move(options)), path_(absolute_path(options_.path)) {}

Result<std::shared_ptr<Database>> Database::open(Options options) {
  std::shared_ptr<Database> database(new Database(std::move(options)));
  if (auto checked = check_folder(database->path_); !checked) {
    return std::unexpected(checked.error());
  }
  const auto contents = contents_of(database->path_);
  if (!contents) return std::unexpected(contents.error());
  if (auto opened = database->open_files(*contents); !opened) {
    return std::unexpected(opened.error());
  }
  if (auto begun = database->begin_session(); !begun) return std::unexpected(begun.error());
  return database;
}

Result<void> Database::open_files(Contents contents) {
  if (options_.read_only) {
    return contents == Contents::kNothing ? open_imagined() : open_files_for_reading();
  }
  ::rocksdb::DB* db = nullptr;
  const auto status = ::rocksdb::DB::Open(database_options(options_), path_,
                                          family_options(options_), &families_, &db);
  db_.reset(db);
  if (is_held(status)) return held(path_, status);
  if (!status.ok()) return std::unexpected(error_of(status, "opening", path_));
  return {};
}

Result<void> Database::open_files_for_reading() {
  ::rocksdb::Status status;
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    close_files();
    const auto files_before = files_in(path_);
    const auto logs_before = logs_in(path_);
    for (const auto* listed : {&files_before, &logs_before}) {
      if (!*listed) return std::unexpected(listed->error());
    }
    ::rocksdb::DB* db = nullptr;
    status = ::rocksdb::DB::OpenForReadOnly(
        reader_options(), path_, reader_families(family_options(options_)), &families_, &db);
    db_.reset(db);
    const auto logs = logs_in(path_);
    if (status.ok() && logs && std::ranges::includes(*logs, *logs_before)) return {};
    // Where nobody has changed a file, it is no other the next time.
    const auto files = files_in(path_);
    if (!status.ok() && files && *files == *files_before) break;
  }
  close_files();
  if (!status.ok()) return std::unexpected(error_of(status, "opening", path_));
  return fail(ErrorCode::kUnavailable,
              "the embedded database " + path_ +
                  " changes faster than it can be read; run again when the "
                  "job that writes to it has ended");
}

Result<void> Database::open_imagined() {
  memory_.reset(::rocksdb::NewMemEnv(::rocksdb::Env::Default()));
  auto options = database_options(options_);
  options.env = memory_.get();
  options.info_log = no_log();  // the other is on the disk
  ::rocksdb::DB* db = nullptr;
  const auto status =
      ::rocksdb::DB::Open(options, path_, family_options(options_), &families_, &db);
  db_.reset(db);
  if (!status.ok()) return std::unexpected(error_of(status, "opening", path_));
  return {};
}

// Settles which incarnation this is, and notes that it is in use before anything is written.
Result<void> Database::begin_session() {
  auto format = read_meta(kFormatKey);
  auto identity = read_meta(kIdentityKey);
  auto epoch = read_meta(kEpochKey);
  auto session = read_meta(kSessionKey);
  for (const auto* read : {&format, &identity, &epoch, &session}) {
    if (!*read) return std::unexpected(read->error());
  }
  if (!format->empty() && *format != kFormat) return other_format(path_, *format);
  identity_ = identity->empty() ? random_identity() : *identity;
  std::from_chars(epoch->data(), epoch->data() + epoch->size(), epoch_);
  const std::string boot = boot_identity();
  const bool lost_power = !session->empty() && *session != boot;
  if (lost_power) ++epoch_;
  return options_.read_only ? Result<void>{} : note_session(boot);
}

Result<void> Database::note_session(const std::string& boot) {
  ::rocksdb::WriteBatch batch;
  const auto put = [&](std::string_view key, std::string_view value) {
    return batch.Put(family(Family::kMeta), key, value);
  };
  auto status = put(kFormatKey, kFormat);
  if (status.ok()) status = put(kIdentityKey, identity_);
  if (status.ok()) status = put(kEpochKey, std::to_string(epoch_));
  if (status.ok()) status = put(kSessionKey, options_.sync ? std::string_view() : boot);
  if (!status.ok()) return std::unexpected(error_of(status, "writing to", path_));
  return write_to(batch, /*sync=*/true);
}

Result<void> Database::end_session() {
  if (auto flushed = flush(); !flushed) return flushed;
  return write_meta(kSessionKey, "");
}

Database::~Database() {
  if (!db_) return;
  // Where that fails, the next session only knows less than it could.
  if (!identity_.empty() && !options_.read_only) (void)end_session();
  close_files();
}

void Database::close_files() {
  if (!db_) return;
  for (auto* family : families_) (void)db_->DestroyColumnFamilyHandle(family);
  families_.clear();
  (void)db_->Close();
  db_.reset();
}

Result<void> Database::flush() {
  if (options_.read_only) return {};
  if (auto writable = check_writable(); !writable) return writable;
  const auto status = db_->FlushWAL(true);
  if (!status.ok()) return std::unexpected(error_of(status, "flushing", path_));
  return {};
}

std::string Database::incarnation() const {
  const std::lock_guard lock(mutex_);
  return incarnation_of(path_, identity_, std::to_string(epoch_));
}

Result<void> Database::begin_epoch_of(std::string_view trusted) {
  const auto known = read_meta(kTrustedCacheKey);
  if (!known) return std::unexpected(known.error());
  return *known == trusted ? Result<void>{} : write_epoch(trusted);
}

Result<void> Database::begin_epoch() { return write_epoch({}); }

Result<void> Database::write_epoch(std::string_view trusted) {
  std::uint64_t next = 0;
  {
    const std::lock_guard lock(mutex_);
    next = epoch_ + 1;
  }
  ::rocksdb::WriteBatch batch;
  auto status = batch.Put(family(Family::kMeta), kEpochKey, std::to_string(next));
  if (status.ok()) status = batch.Put(family(Family::kMeta), kTrustedCacheKey, trusted);
  if (!status.ok()) return std::unexpected(error_of(status, "writing to", path_));
  if (auto written = write_to(batch, /*sync=*/true); !written) return written;
  const std::lock_guard lock(mutex_);
  epoch_ = next;
  return {};
}

// Debian's RocksDB is built with its assertions: to flush or to write again after a write has
// failed would end the process.
Result<void> Database::check_writable() const {
  if (options_.read_only) {
    return fail(ErrorCode::kUnauthorized,
                "the embedded database " + path_ + " is open for reading only");
  }
  const std::lock_guard lock(mutex_);
  if (failure_) return std::unexpected(*failure_);
  return {};
}

Result<void> Database::write(::rocksdb::WriteBatch& batch) {
  return write_to(batch, options_.sync);
}

Result<void> Database::write_to(::rocksdb::WriteBatch& batch, bool sync) {
  if (auto writable = check_writable(); !writable) return writable;
  ::rocksdb::WriteOptions options;
  options.sync = sync;
  const auto status = db_->Write(options, &batch);
  if (status.ok()) return {};
  Error error = error_of(status, "writing to", path_);
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = error;
  return std::unexpected(std::move(error));
}

Result<std::string> Database::read_meta(std::string_view key) const {
  return rocksdb::read_meta(*db_, family(Family::kMeta), path_, key);
}

Result<void> Database::write_meta(std::string_view key, std::string_view value) {
  ::rocksdb::WriteBatch batch;
  const auto status = batch.Put(family(Family::kMeta), key, value);
  if (!status.ok()) return std::unexpected(error_of(status, "writing to", path_));
  return write_to(batch, /*sync=*/true);
}

}  // namespace dataflow::rocksdb
