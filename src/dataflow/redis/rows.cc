// Rows: find, forget, remember.
//
// Remembering has two ways. Rows that are all new are set by MSETNX, which takes a command's rows
// or none, in one step, at about a third of the cost of comparing them in Lua. Where one of them is
// there already, it says 0 after a look at the keys, and the script decides row by row. Which is
// tried first is a guess from the rows before: a first load is all new, a later one mostly not.
#include <algorithm>
#include <charconv>
#include <vector>

#include "dataflow/redis/cache.h"
#include "dataflow/redis/limits.h"
#include "dataflow/redis/scripts.h"
#include "dataflow/redis/session.h"

namespace dataflow::redis {
namespace {

constexpr std::size_t kRowsPerRoundTrip = kRowsPerCommand * kCommandsPerRoundTrip;
constexpr std::size_t kMaxDigits = 20;

std::unexpected<Error> sizes_differ() {
  return fail(ErrorCode::kInternal, "`ids` and `entries` differ in size");
}

std::unexpected<Error> not_understood() {
  return fail(ErrorCode::kUnavailable, "Redis gave an answer that its cache does not know");
}

// [begin, end) of the rows of a call that one command has.
struct Range {
  std::size_t begin;
  std::size_t end;
  std::size_t size() const { return end - begin; }
};

// The commands' shares of at most one round trip, beginning at `begin`.
std::vector<Range> split(std::size_t begin, std::size_t count) {
  const std::size_t end = std::min(count, begin + kRowsPerRoundTrip);
  std::vector<Range> ranges;
  for (; begin < end; begin += kRowsPerCommand) {
    ranges.push_back({begin, std::min(end, begin + kRowsPerCommand)});
  }
  return ranges;
}

void reserve(Commands& commands, const Generation& generation, std::size_t rows, bool entries) {
  constexpr std::size_t kScriptArguments = 8;
  constexpr std::size_t kScriptBytes = 2'500;
  const std::size_t row = generation.rows.size() + kMaxDigits + (entries ? kEntryBytes : 0);
  commands.reserve(rows * (entries ? 2 : 1) + kCommandsPerRoundTrip * kScriptArguments,
                   rows * row + kCommandsPerRoundTrip * kScriptBytes);
}

std::size_t count_of(std::string_view text) {
  std::size_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

Commands new_rows(const Generation& generation, std::span<const Range> ranges,
                  std::span<const ProductId> ids, std::span<const CacheEntry> entries) {
  Commands commands;
  reserve(commands, generation, ranges.back().end - ranges.front().begin, true);
  for (const Range& range : ranges) {
    commands.command("MSETNX");
    for (std::size_t i = range.begin; i < range.end; ++i) {
      commands.add_row(generation.rows, ids[i]);
      encode(entries[i], commands.add_space(kEntryBytes));
    }
  }
  return commands;
}

// The owner's eight bytes, as entries have them.
std::string owner_bytes(ObjectId owner) {
  std::array<char, kEntryBytes> bytes;
  encode(CacheEntry{.owner = owner}, bytes);
  return {bytes.data() + sizeof(WriteTime), sizeof(ObjectId)};
}

// What the object's record is while this job makes it; no record is like that without a token.
std::string mark_of(const Making& making) { return open_record(making.token); }

Commands compared_rows(const Generation& generation, std::span<const Range> ranges,
                       std::span<const ProductId> ids, std::span<const CacheEntry> entries,
                       const Making& making) {
  Commands commands;
  const std::string owner = owner_bytes(making.object);
  const std::string mark = mark_of(making);
  reserve(commands, generation, ranges.back().end - ranges.front().begin, true);
  for (const Range& range : ranges) {
    commands.command("EVAL").add(kRememberScript).add(range.size());
    for (std::size_t i = range.begin; i < range.end; ++i) {
      commands.add_row(generation.rows, ids[i]);
    }
    for (std::size_t i = range.begin; i < range.end; ++i) {
      encode(entries[i], commands.add_space(kEntryBytes));
    }
    commands.add(generation.records).add(owner).add(mark);
  }
  return commands;
}

Result<void> check_remembered(std::span<const ProductId> ids, std::span<const CacheEntry> entries) {
  if (ids.size() != entries.size()) return sizes_differ();
  for (const CacheEntry& entry : entries) {
    if (entry.state != CacheEntry::State::kStored || entry.time < 0) {
      return fail(ErrorCode::kInternal, "only stored rows are remembered");
    }
  }
  return {};
}

}  // namespace

Task<Result<void>> Cache::find(std::span<const ProductId> ids, std::span<CacheEntry> entries) {
  if (ids.size() != entries.size()) co_return sizes_differ();
  auto generation = session_->readable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  if ((*generation)->name.empty()) {
    std::ranges::fill(entries, CacheEntry{});
    co_return Result<void>{};
  }
  for (std::size_t begin = 0; begin < ids.size();) {
    const std::vector<Range> ranges = split(begin, ids.size());
    Commands commands;
    reserve(commands, **generation, ranges.back().end - begin, false);
    for (const Range& range : ranges) {
      commands.command("MGET");
      for (std::size_t i = range.begin; i < range.end; ++i) {
        commands.add_row((*generation)->rows, ids[i]);
      }
    }
    auto reply = co_await session_->ask(*generation, commands);
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (reply->lengths.size() <= ranges.back().end - begin) co_return not_understood();
    clients::Values values(*reply);
    for (; begin < ranges.back().end; ++begin) entries[begin] = decode(values.next().bytes);
  }
  co_return Result<void>{};
}

Task<Result<WriteTime>> Cache::forget(std::span<const ProductId> ids, Making making,
                                      WriteTime time) {
  auto generation = session_->writable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  // In the form that entries have.
  std::array<char, kEntryBytes> bytes;
  encode(CacheEntry{.time = time}, bytes);
  const std::string_view time_bytes(bytes.data(), sizeof(WriteTime));
  const std::string owner = owner_bytes(making.object);
  const std::string mark = mark_of(making);

  WriteTime newest = 0;
  for (std::size_t begin = 0; begin < ids.size();) {
    const std::vector<Range> ranges = split(begin, ids.size());
    Commands commands;
    reserve(commands, **generation, ranges.back().end - begin, false);
    for (const Range& range : ranges) {
      commands.command("EVAL").add(kForgetScript).add(range.size());
      for (std::size_t i = range.begin; i < range.end; ++i) {
        commands.add_row((*generation)->rows, ids[i]);
      }
      commands.add(owner).add((*generation)->records).add(time_bytes).add(mark);
    }
    auto reply = co_await session_->ask(*generation, commands);
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    clients::Values values(*reply);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto known = values.done() ? std::nullopt : decode_time(values.next().bytes);
      if (!known) co_return not_understood();
      newest = std::max(newest, *known);
    }
    begin = ranges.back().end;
  }
  co_return newest;
}

Task<Result<std::size_t>> Cache::remember(std::span<const ProductId> ids,
                                          std::span<const CacheEntry> entries, Making making) {
  auto good = check_remembered(ids, entries);
  if (!good) co_return std::unexpected(std::move(good.error()));
  auto generation = session_->writable();
  if (!generation) co_return std::unexpected(std::move(generation.error()));
  std::size_t refused = 0;
  for (std::size_t begin = 0; begin < ids.size();) {
    std::vector<Range> ranges = split(begin, ids.size());
    begin = ranges.back().end;
    if (expect_absent_) {
      Commands commands = new_rows(**generation, ranges, ids, entries);
      auto reply = co_await session_->ask(*generation, commands);
      if (!reply) co_return std::unexpected(std::move(reply.error()));
      clients::Values values(*reply);
      std::erase_if(ranges, [&](const Range&) { return values.next().bytes == "1"; });
      if (ranges.empty()) continue;
    }
    Commands commands = compared_rows(**generation, ranges, ids, entries, making);
    auto reply = co_await session_->ask(*generation, commands);
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    clients::Values values(*reply);
    bool all_absent = true;
    for (const Range& range : ranges) {
      refused += count_of(values.next().bytes);
      all_absent = count_of(values.next().bytes) == range.size() && all_absent;
    }
    expect_absent_ = all_absent;
  }
  co_return refused;
}

}  // namespace dataflow::redis
