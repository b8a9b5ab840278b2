#include "cmd/job/parts.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "cmd/common/wiring.h"
#include "cmd/job/outputs.h"
#include "dataflow/cassandra/product_service.h"
#include "dataflow/file/fetch_service.h"
#include "dataflow/redis/cache.h"
#include "dataflow/redis/options.h"
#include "dataflow/rocksdb/cache.h"
#include "dataflow/rocksdb/database.h"
#include "dataflow/rocksdb/occurrences.h"
#include "dataflow/rocksdb/product_service.h"
#include "dataflow/s3/fetch_service.h"

namespace dataflow::cmd {

namespace {

Result<std::unique_ptr<Occurrences>> make_spill() {
  auto made = rocksdb::Occurrences::create();
  if (!made) return std::unexpected(std::move(made.error()));
  return std::unique_ptr<Occurrences>(std::move(*made));
}

std::vector<pipeline::Source> make_sources(const JobArguments& arguments) {
  std::shared_ptr<Fetch> files;
  std::shared_ptr<Fetch> objects;
  std::vector<pipeline::Source> sources;
  for (const std::string& name : arguments.sources) {
    if (name.starts_with("s3://")) {
      if (objects == nullptr) {
        objects = std::make_shared<s3::FetchService>(s3_options(arguments.config.s3));
      }
      sources.push_back({objects, name});
    } else {
      if (files == nullptr) files = std::make_shared<file::FetchService>();
      sources.push_back({files, name});
    }
  }
  return sources;
}

// The embedded database is needed where the store or the cache is in it. In a dry run it is only
// read, and may be missing: then nothing is known, as nothing is stored.
bool needs_database(const JobArguments& arguments) {
  return !arguments.config.cassandra || (arguments.use_cache && !arguments.config.redis);
}

// Null where there is none yet, in a dry run.
Result<std::shared_ptr<rocksdb::Database>> open_database(const JobArguments& arguments) {
  rocksdb::Options options = rocksdb_options(arguments.config.rocksdb);
  options.read_only = arguments.dry_run;
  if (arguments.dry_run && !std::filesystem::exists(options.path)) return nullptr;
  auto opened = rocksdb::Database::open(options);
  if (opened) return opened;
  // As a Redis that fails: where only the cache is in it, it is advice. Not so settings that cannot
  // be meant (kInvalid), and a cache that another job has (kConflict): beside it, without a cache,
  // this one would cost both of them all they know, and the next job so much time that the one
  // after it comes upon it.
  const ErrorCode code = opened.error().code;
  const bool is_only_cache = arguments.config.cassandra.has_value();
  if (!is_only_cache || code == ErrorCode::kInvalid || code == ErrorCode::kConflict) return opened;
  spdlog::warn("the cache failed and is not used for this run{}: {}",
               arguments.dry_run ? ""
                                 : ": rows are written without asking it, and the next run writes "
                                   "them again",
               opened.error().describe());
  return nullptr;
}

}  // namespace

Task<Result<Parts>> make_parts(const JobArguments& arguments) {
  if (arguments.use_cache && arguments.config.redis) {
    // A cache that fails is a warning; settings that contradict each other are nobody's fault but
    // theirs, and easily put right.
    auto meant = redis::check(redis_options(*arguments.config.redis));
    if (!meant) co_return std::unexpected(std::move(meant.error()));
  }
  Parts parts;
  parts.sources = make_sources(arguments);
  parts.make_spill = make_spill;
  auto checked = co_await check_outputs(arguments, parts.sources);
  if (!checked) co_return std::unexpected(std::move(checked.error()));

  std::shared_ptr<rocksdb::Database> database;
  if (needs_database(arguments)) {
    auto opened = open_database(arguments);
    if (!opened) co_return std::unexpected(std::move(opened.error()));
    database = std::move(*opened);
  }
  if (arguments.config.cassandra) {
    const cassandra::Options options = cassandra_options(*arguments.config.cassandra);
    const std::function<void(const Error&)> tell = [&options](const Error& error) {
      spdlog::warn("{}; trying again for {} ms (cassandra.retry_timeout_ms)", error.describe(),
                   options.retry_timeout_ms);
    };
    auto store = co_await cassandra::ProductService::connect_patiently(options, tell);
    if (!store) co_return std::unexpected(std::move(store.error()));
    parts.store = std::move(*store);
  } else {
    parts.store = std::make_unique<rocksdb::ProductService>(database);
  }
  if (!arguments.use_cache) co_return parts;
  const bool nothing_stored = !arguments.config.cassandra && database == nullptr;
  if (arguments.config.redis && !nothing_stored) {
    parts.cache = std::make_unique<redis::Cache>(redis_options(*arguments.config.redis));
  } else if (database != nullptr) {
    parts.cache = std::make_unique<rocksdb::Cache>(database);
  }
  co_return parts;
}

}  // namespace dataflow::cmd
