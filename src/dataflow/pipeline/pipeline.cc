#include "dataflow/pipeline/pipeline.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "dataflow/pipeline/inflate.h"

namespace dataflow::pipeline {

namespace {

// How many rows the objects that are to be read may have. A stream, whose size is not known, has as
// many as there is room for: so it takes the same memory however long it is.
std::uint64_t likely_rows(const std::vector<ListedObject>& page, const std::vector<bool>& stored) {
  constexpr std::uint64_t kUsualLineBytes = 500;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (stored[i]) continue;
    if (!page[i].object.size) return std::numeric_limits<std::uint64_t>::max();
    bytes += *page[i].object.size;
  }
  return bytes / kUsualLineBytes;
}

}  // namespace

Pipeline::Pipeline(Options options, Parts parts, boost::asio::any_io_executor executor)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      executor_(std::move(executor)),
      cache_(parts_.cache, *parts_.store, parts_.warn),
      claims_(options_.claims_memory_bytes, parts_.make_spill),
      rejects_(options_.rejects, options_.max_rejects_bytes, parts_.warn),
      rows_(options_, *parts_.store, cache_, catalogue_, claims_, progress_, parts_.warn),
      objects_(options_.objects_in_flight),
      buffers_(options_.buffer_bytes),
      readers_(executor_) {}

Pipeline::~Pipeline() = default;

Task<Result<Summary>> Pipeline::run() {
  auto learned = co_await learn_table();
  if (!learned) co_return std::unexpected(std::move(learned.error()));
  co_await cache_.open(incarnation_ + "\nmapping " + std::string(kMappingVersion),
                       options_.dry_run);
  co_await read_listing(Which::kAll);
  co_await read_skipped();
  if (!stop_.stopped() || stop_.reason() == Stop::kInterrupted) {
    auto taken = co_await rows_.take_deferred();
    if (!taken) run_failed(std::move(taken.error()));
  }
  co_await make_records();
  check_abandoned();
  if (!options_.dry_run) {
    auto flushed = co_await parts_.store->flush();
    if (!flushed) run_failed(std::move(flushed.error()));
  }
  co_await check_table();
  co_return summary();
}

// Objects were skipped on the cache's word. If that word may have been wrong since (entries evicted
// or lost while this run wrote rows), they are read after all; else those are that are wanted, and
// those that are wanted because of them.
Task<void> Pipeline::read_skipped() {
  if (progress_.objects_skipped > 0 && !stop_.stopped()) {
    const bool trustworthy = co_await cache_.still_trustworthy();
    if (!trustworthy) co_await read_listing(Which::kSkipped);
  }
  while (!stop_.stopped()) {
    wanted_ = catalogue_.take_wanted();
    const std::uint64_t skipped = progress_.objects_skipped;
    if (wanted_.empty() || skipped == 0) break;
    co_await read_listing(Which::kWanted);
    if (progress_.objects_skipped == skipped) break;  // none of them is listed any more
  }
  std::vector<std::shared_ptr<ObjectState>> again;
  {
    std::lock_guard lock(mutex_);
    again.swap(to_be_read_again_);
  }
  for (const auto& object : again) {
    if (stop_.stopped()) break;
    auto place = co_await objects_.acquire(1);
    if (stop_.stopped()) break;
    begin_again(*object);
    readers_.spawn(read_object(object, std::move(place)));
  }
  co_await readers_.wait();
}

// An object was replaced while it was read, and lines of the version before had taken the place of
// other objects' lines: whether the new version has them, too, is not known of each. Those objects
// have no record: the next run reads them again.
void Pipeline::check_abandoned() {
  if (stop_.stopped()) return;
  std::lock_guard lock(mutex_);
  for (const Abandoned& abandoned : abandoned_) {
    if (!rows_.has_displaced(abandoned.index, abandoned.attempt)) continue;
    errors_.push_back({ErrorCode::kConflict,
                       abandoned.name +
                           ": it changed while it was read, and rows of other files had given way "
                           "to lines that it may have no more: run the job again",
                       ""});
  }
}

// The incarnation that this run's rows go to, and that its cache has to belong to.
Task<Result<void>> Pipeline::learn_table() {
  if (!cache_.on() && options_.dry_run) co_return Result<void>();
  auto incarnation = co_await cache_.learn_incarnation(options_.dry_run);
  if (incarnation) {
    incarnation_ = std::move(*incarnation);
  } else if (cache_.on() || incarnation.error().code != ErrorCode::kUnauthorized) {
    co_return std::unexpected(std::move(incarnation.error()));
  }
  co_return Result<void>();
}

// A table that was truncated or made anew during the run has lost what was written before, and no
// write has failed because of it. (One that lost everything after a run that wrote nothing is
// found by the next run.) And a cache of another job may have become the one that is told, without
// being told of what this run wrote. A store that has failed is not asked once more.
Task<void> Pipeline::check_table() {
  if (options_.dry_run || cache_.table().empty()) co_return;
  if (!rows_.has_written() || rows_.store_has_failed()) co_return;
  auto now = co_await parts_.store->incarnation();
  if (now) {
    auto told = co_await cache_.after_last_write(*now);
    if (!told) run_failed(std::move(told.error()));
  }
  const bool wrote = progress_.counts().written > 0 && !stop_.stopped();
  if (!wrote && !rows_.store_has_refused()) co_return;
  if (now && table_of(*now) == cache_.table()) co_return;
  if (now) {
    run_failed(
        {ErrorCode::kConflict,
         "the table of products was truncated, or made anew, while this run wrote to it, and "
         "may lack rows: run the job again, which writes all of them",
         ""});
  } else if (now.error().code == ErrorCode::kInvalid) {
    run_failed(std::move(now.error()));
  } else if (wrote) {
    // "All stored" would be a guess. The next run asks first, and reads only what has changed.
    Error error = std::move(now.error());
    error.message =
        "every row was acknowledged, but whether the table was truncated, or made anew, during the "
        "run cannot be asked: run the job again, which does; " +
        error.message;
    run_failed(std::move(error));
  }
}

Summary Pipeline::summary() {
  std::unique_lock told_once(summary_mutex_, Rejects::kFinishPatience);
  if (!told_once) {
    Summary summary = without_rejects();
    summary.errors.push_back(rejects_.not_whole());
    return summary;
  }
  if (summary_) return *summary_;
  auto kept = rejects_.finish(all_is_stored());
  if (!kept) run_failed(std::move(kept.error()));
  summary_ = without_rejects();
  if (kept) summary_->rejects = std::move(*kept);
  return *summary_;
}

Summary Pipeline::without_rejects() {
  Summary summary;
  summary.files = progress_.files;
  summary.objects_skipped = progress_.objects_skipped;
  summary.counts = progress_.counts();
  summary.stop = stop_.reason();
  std::lock_guard lock(mutex_);
  summary.errors = errors_;
  return summary;
}

bool Pipeline::all_is_stored() {
  std::lock_guard lock(mutex_);
  return !options_.dry_run && !stop_.stopped() && errors_.empty();
}

// Lists all sources and reads what is to be read: everything that is not known to be stored as it
// is; or what was skipped the first time, all of it or what is wanted.
Task<void> Pipeline::read_listing(Which which) {
  const auto listing = std::make_shared<MergedListing>(parts_.sources);
  auto opened = co_await stop_.unless_stopped(listing->open(), listing);
  if (opened && !*opened) {
    listing_failed(std::move(opened->error()), which);
    co_return;
  }
  std::uint64_t index = 0;
  while (!stop_.stopped()) {
    auto page = co_await stop_.unless_stopped(listing->next(), listing);
    if (!page) break;
    if (!*page) {
      listing_failed(std::move(page->error()), which);
      break;
    }
    if ((*page)->empty()) break;
    co_await read_page(std::move(**page), index, which);
  }
  co_await readers_.wait();
}

// Listed a second time, what was read the first time is still finished.
void Pipeline::listing_failed(Error error, Which which) {
  if (which == Which::kAll) return run_failed(std::move(error));
  std::lock_guard lock(mutex_);
  errors_.push_back(std::move(error));
}

Task<void> Pipeline::read_page(std::vector<ListedObject> page, std::uint64_t& index, Which which) {
  const bool skipped_ones = which != Which::kAll;
  std::vector<bool> stored(page.size(), false);
  if (!skipped_ones) {
    std::vector<Object> objects;
    objects.reserve(page.size());
    for (const auto& listed : page) objects.push_back(listed.object);
    stored = co_await cache_.find_objects(objects);
  }
  const std::uint64_t first = index + 1;
  for (std::size_t i = 0; i < page.size() && !skipped_ones; ++i) {
    // Noted before any row of the page is compared: a row may belong to an object later on the
    // page.
    const bool noted = catalogue_.note(object_id(page[i].object.name), first + i, stored[i]);
    stored[i] = stored[i] && noted;
    rejects_.note_source(page[i].object);
  }
  if (!skipped_ones) claims_.expect(likely_rows(page, stored));
  for (std::size_t i = 0; i < page.size(); ++i) {
    if (stop_.stopped()) co_return;
    std::uint64_t place_in_run = ++index;
    if (place_in_run > LineOrder::kMaxObjects) {
      run_failed({ErrorCode::kInvalid,
                  "more than " + std::to_string(LineOrder::kMaxObjects) +
                      " objects in one run; load them in several runs",
                  ""});
      co_return;
    }
    if (skipped_ones) {
      const ObjectId id = object_id(page[i].object.name);
      if (which == Which::kWanted && !wanted_.contains(id)) continue;
      const auto skipped_at = catalogue_.take_skipped(id);
      if (!skipped_at) continue;
      place_in_run = *skipped_at;
      --progress_.objects_skipped;
    } else {
      ++progress_.files;
      if (stored[i]) {
        ++progress_.objects_skipped;
        continue;
      }
    }
    auto place = co_await objects_.acquire(1);
    auto object = std::make_shared<ObjectState>(std::move(page[i]), place_in_run);
    readers_.spawn(read_object(std::move(object), std::move(place)));
  }
}

// `place` is given back when the object has been read.
Task<void> Pipeline::read_object(std::shared_ptr<ObjectState> object,
                                 [[maybe_unused]] Budget::Lease place) {
  for (std::uint64_t attempt = object->attempt;; ++attempt) {
    object->attempt = attempt;
    const Ending ending = co_await read_attempt(object);
    if (ending == Ending::kWhole) {
      catalogue_.was_read(object->id);
      if (!object->left_out || object->is_read_again) break;
      std::lock_guard lock(mutex_);
      to_be_read_again_.push_back(object);
      co_return;
    }
    object->complete = false;
    if (ending == Ending::kGivenUp) break;
    take_back(*object);
    {
      std::lock_guard lock(mutex_);
      abandoned_.push_back({object->listed.object.name, object->index, attempt});
    }
    if (attempt + 1 >= kMaxAttempts) {
      source_failed(*object, {ErrorCode::kConflict,
                              "it changed while it was read, " + std::to_string(kMaxAttempts) +
                                  " times in a row; run again when it is at rest",
                              ""});
      break;
    }
    auto now = co_await stop_.unless_stopped(object->listed.fetch->stat(object->listed.object.name),
                                             object);
    if (!now) break;
    if (!*now) {
      source_failed(*object, std::move(now->error()));
      break;
    }
    object->listed.object = std::move(**now);
    object->complete = true;
  }
  rejects_.keep(object->index);
  if (!object->complete || !object->read_to_end || !object->record_token) co_return;
  if (object->deferred_rows > 0) {
    std::lock_guard lock(mutex_);
    waiting_for_deferred_.push_back(object);
    co_return;
  }
  co_await cache_.end_object(object->listed.object, *object->record_token);
}

// What the reading before found stays for as long as this one may not come.
void Pipeline::begin_again(ObjectState& object) {
  take_back(object);
  ++object.attempt;
  object.complete = true;
  object.is_read_again = true;
}

// Not mixed: what an attempt counted and rejected is taken back. What it wrote is superseded by the
// next attempt's lines.
void Pipeline::take_back(ObjectState& object) {
  Counts taken_back = object.take_counts();
  taken_back.written = 0;
  progress_.subtract(taken_back);
  rejects_.discard(object.index);
  object.deferred_rows = 0;
}

// One attempt at one version of an object; returns when all its blocks have been taken.
Task<Pipeline::Ending> Pipeline::read_attempt(std::shared_ptr<ObjectState> object) {
  const Object& listed = object->listed.object;
  if (object->recordable() && !options_.dry_run) {
    // Before the first row is compared: whoever takes a row of this object from now on deletes the
    // mark.
    object->record_token = co_await cache_.begin_object(object->id);
  }
  auto opened = co_await stop_.unless_stopped(object->listed.fetch->open(listed), object);
  if (!opened) co_return Ending::kGivenUp;
  if (!*opened) {
    if (opened->error().code == ErrorCode::kConflict) co_return Ending::kChanged;
    source_failed(*object, std::move(opened->error()));
    co_return Ending::kGivenUp;
  }
  std::unique_ptr<Reader> reader = std::move(**opened);
  SplitterOptions split;
  split.block_bytes = options_.block_bytes;
  split.max_line_bytes = options_.max_line_bytes;
  split.eager = !listed.size;
  if (listed.size && !is_compressed(*reader, listed.name)) {
    split.expected_bytes = static_cast<std::size_t>(*listed.size);
  }
  auto splitter = std::make_shared<Splitter>(
      inflate(std::move(reader), listed.name, options_.max_inflated_bytes), split);
  TaskGroup blocks(executor_);
  const Ending ending = co_await read_blocks(object, std::move(splitter), blocks);
  co_await blocks.wait();
  co_return ending;
}

Task<Pipeline::Ending> Pipeline::read_blocks(std::shared_ptr<ObjectState> object,
                                             std::shared_ptr<Splitter> splitter,
                                             TaskGroup& blocks) {
  while (!stop_.stopped()) {
    // The text, its rows' strings and the batches made of them: about twice the text.
    auto lease = co_await buffers_.acquire(2 * options_.block_bytes);
    auto step = co_await stop_.unless_stopped(splitter->next(), splitter);
    if (!step) break;
    if (!*step) {
      Error error = std::move(step->error());
      if (error.code == ErrorCode::kConflict) co_return Ending::kChanged;
      source_failed(*object, std::move(error));
      co_return Ending::kGivenUp;
    }
    if (std::holds_alternative<EndOfObject>(**step)) {
      object->read_to_end = true;
      co_return Ending::kWhole;
    }
    if (auto* piece = std::get_if<LongLinePiece>(&**step)) {
      if (!take_long_line(*object, *piece)) break;
      continue;
    }
    Block& block = std::get<Block>(**step);
    if (block.size > options_.block_bytes) {
      // A long line costs more; no more than a quarter of all is asked for, so that it can always
      // be had.
      lease.release();
      lease = co_await buffers_.acquire(
          std::min<std::uint64_t>(4 * block.size, options_.buffer_bytes / 4));
    }
    blocks.spawn(take_block(object, std::move(block), std::move(lease)));
  }
  co_return Ending::kGivenUp;
}

Task<void> Pipeline::take_block(std::shared_ptr<ObjectState> object, Block block,
                                Budget::Lease lease) {
  auto parser = borrow_parser();
  const Rows parsed = parser->parse(block);
  return_parser(std::move(parser));
  const Counts read{.lines = parsed.rejected.size(), .bytes = block.size};
  object->count(read);
  progress_.add(read);
  for (const RejectedLine& line : parsed.rejected) {
    if (reject(*object, line)) continue;
    object->complete = false;  // none of the block's rows is taken
    co_return;
  }
  count_rejected(*object, parsed.rejected.size());
  auto taken = co_await rows_.take(parsed.rows, object, object->attempt);
  if (!taken) run_failed(std::move(taken.error()));
  lease.release();
}

bool Pipeline::reject(const ObjectState& object, const RejectedLine& line) {
  auto kept = rejects_.add(
      {object.listed.object.name, object.index, line.line, line.byte, line.reason}, line.text);
  if (!kept) run_failed(std::move(kept.error()));
  return kept.has_value();
}

bool Pipeline::take_long_line(ObjectState& object, const LongLinePiece& piece) {
  const std::string reason = too_long(options_.max_line_bytes);
  auto kept =
      rejects_.add_piece({object.listed.object.name, object.index, piece.line, piece.byte, reason},
                         piece.text, piece.last);
  if (!kept) {
    run_failed(std::move(kept.error()));
    return false;
  }
  const Counts read{.lines = piece.last ? 1u : 0u, .bytes = piece.text.size()};
  object.count(read);
  progress_.add(read);
  if (piece.last) count_rejected(object, 1);
  return true;
}

void Pipeline::count_rejected(ObjectState& object, std::uint64_t lines) {
  if (lines == 0) return;
  object.complete = false;
  const Counts rejected{.rejected = lines};
  object.count(rejected);
  progress_.add(rejected);
  if (progress_.counts().rejected > options_.max_errors) stop_.stop(Stop::kMaxErrors);
}

// The records of objects some of whose rows were put off.
Task<void> Pipeline::make_records() {
  std::vector<std::shared_ptr<ObjectState>> objects;
  {
    std::lock_guard lock(mutex_);
    objects.swap(waiting_for_deferred_);
  }
  for (const auto& object : objects) {
    if (!object->complete || object->deferred_rows > 0) continue;
    co_await cache_.end_object(object->listed.object, *object->record_token);
  }
}

// The other sources are still loaded.
void Pipeline::source_failed(const ObjectState& object, Error error) {
  error.message = object.listed.object.name + ": " + error.message;
  parts_.warn(error.describe());
  std::lock_guard lock(mutex_);
  errors_.push_back(std::move(error));
}

void Pipeline::run_failed(Error error) {
  {
    // Once, of what befalls many blocks alike.
    std::lock_guard lock(mutex_);
    if (std::ranges::find(errors_, error) == errors_.end()) errors_.push_back(std::move(error));
  }
  stop_.stop(Stop::kFailed);
}

std::unique_ptr<Parser> Pipeline::borrow_parser() {
  std::lock_guard lock(mutex_);
  if (parsers_.empty()) return std::make_unique<Parser>(options_.max_line_bytes);
  auto parser = std::move(parsers_.back());
  parsers_.pop_back();
  return parser;
}

void Pipeline::return_parser(std::unique_ptr<Parser> parser) {
  std::lock_guard lock(mutex_);
  parsers_.push_back(std::move(parser));
}

}  // namespace dataflow::pipeline
