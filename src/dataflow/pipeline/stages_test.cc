// Goal: the small parts that the stages stand on keep their contracts: cutting into blocks,
// decompressing, claims, comparing, write times, budgets, tickets, the merged listing.
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/wait.h"
#include "dataflow/pipeline/budget.h"
#include "dataflow/pipeline/claims.h"
#include "dataflow/pipeline/compare.h"
#include "dataflow/pipeline/inflate.h"
#include "dataflow/pipeline/listing.h"
#include "dataflow/pipeline/splitter.h"
#include "dataflow/pipeline/tickets.h"
#include "dataflow/pipeline/write_clock.h"

namespace dataflow::pipeline {
namespace {

using mock::MemoryFetch;

Task<Result<std::unique_ptr<Reader>>> open_reader(MemoryFetch& fetch, std::string name,
                                                  std::string content) {
  const Object object = fetch.put(std::move(name), std::move(content));
  auto reader = co_await fetch.open(object);
  co_return std::move(reader);
}

// ---- Splitter

struct Split {
  std::string text;  // of all blocks, one after another
  std::vector<std::string> long_lines;
  std::size_t blocks = 0;
};

Task<Split> split_all(std::unique_ptr<Reader> reader, SplitterOptions options) {
  Splitter splitter(std::move(reader), options);
  Split result;
  std::uint64_t line = 1;
  bool in_long_line = false;
  for (;;) {
    auto step = co_await splitter.next();
    if (!step) {
      ADD_FAILURE() << step.error().describe();
      co_return result;
    }
    if (std::holds_alternative<EndOfObject>(*step)) co_return result;
    if (auto* piece = std::get_if<LongLinePiece>(&*step)) {
      if (!std::exchange(in_long_line, !piece->last)) result.long_lines.emplace_back();
      result.long_lines.back() += piece->text;
      EXPECT_EQ(piece->line, line);
      if (piece->last) ++line;
      continue;
    }
    const Block& block = std::get<Block>(*step);
    ++result.blocks;
    EXPECT_EQ(block.first_line, line);
    line += static_cast<std::uint64_t>(std::count(block.text().begin(), block.text().end(), '\n'));
    result.text += block.text();
  }
}

TEST(Splitter, EveryLineComesOnceWholeWhateverTheSizes) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    const std::size_t lines = random() % 40;
    for (std::size_t i = 0; i < lines; ++i) text += std::string(random() % 90, 'x') + "\n";
    if (random() % 2 == 0) text += "no newline";
    MemoryFetch fetch;
    fetch.piece = 1 + random() % 70;
    auto reader = mock::wait(open_reader(fetch, "a", text));
    ASSERT_TRUE(reader);
    SplitterOptions options;
    options.block_bytes = 16 + random() % 64;
    options.eager = random() % 2 == 0;
    options.expected_bytes = random() % 2 == 0 ? text.size() : 0;
    const Split split = mock::wait(split_all(std::move(*reader), options));
    EXPECT_EQ(split.text, text);
    EXPECT_TRUE(split.long_lines.empty());
  }
}

TEST(Splitter, LinesOverTheLimitComeInPiecesAndTheOthersInBlocks) {
  std::mt19937 random(4);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    std::size_t over = 0;
    for (int i = 0; i < 20; ++i) {
      const bool long_line = random() % 5 == 0;
      // Far over the limit: a line a little over it may come in a block.
      text += std::string(long_line ? 600 + random() % 300 : random() % 80, 'x') + "\n";
      over += long_line ? 1 : 0;
    }
    MemoryFetch fetch;
    fetch.piece = 1 + random() % 200;
    auto reader = mock::wait(open_reader(fetch, "a", text));
    ASSERT_TRUE(reader);
    SplitterOptions options;
    options.block_bytes = 64;
    options.max_line_bytes = 100;
    const Split split = mock::wait(split_all(std::move(*reader), options));
    EXPECT_EQ(split.long_lines.size(), over);
    std::size_t bytes = split.text.size();
    for (const auto& long_line : split.long_lines) bytes += long_line.size() + 1;
    EXPECT_EQ(bytes, text.size());
  }
}

// ---- Inflate

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

Task<Result<std::string>> read_all(std::unique_ptr<Reader> reader, std::size_t piece) {
  std::string out, buffer(piece, '\0');
  for (;;) {
    auto got = co_await reader->read(buffer);
    if (!got) co_return std::unexpected(std::move(got.error()));
    if (*got == 0) co_return out;
    out.append(buffer.data(), *got);
  }
}

Result<std::string> inflated(const std::string& name, const std::string& content, std::size_t piece,
                             std::uint64_t max_bytes = std::uint64_t{1} << 40) {
  MemoryFetch fetch;
  fetch.piece = piece;
  auto reader = mock::wait(open_reader(fetch, name, content));
  return mock::wait(read_all(inflate(std::move(*reader), name, max_bytes), piece));
}

TEST(Inflate, ReadsMembersAndFramesWhateverThePieces) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  for (std::size_t piece : {1u, 13u, 4096u, 1u << 20}) {
    EXPECT_EQ(inflated("a.gz", gzip(text) + gzip(text), piece).value(), text + text);
    EXPECT_EQ(inflated("a.zst", zstd(text) + zstd(text), piece).value(), text + text);
    EXPECT_EQ(inflated("a.jsonl", text, piece).value(), text);
  }
  EXPECT_EQ(inflated("a.gz", "", 10).value(), "");
  EXPECT_EQ(inflated("a.zst", zstd(""), 10).value(), "");
}

TEST(Inflate, AStreamThatEndsEarlyOrIsDamagedIsInvalid) {
  std::string text(100'000, 'a');
  std::mt19937 random(5);
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  for (const auto& [name, whole] :
       std::map<std::string, std::string>{{"a.gz", gzip(text)}, {"a.zst", zstd(text)}}) {
    for (std::size_t cut : {whole.size() - 1, whole.size() / 2, std::size_t{3}}) {
      auto result = inflated(name, whole.substr(0, cut), 1000);
      ASSERT_FALSE(result) << name << " cut at " << cut;
      EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
      EXPECT_NE(result.error().message.find(name), std::string::npos);
    }
    EXPECT_FALSE(inflated(name, "this is not compressed", 1000)) << name;
    EXPECT_FALSE(inflated(name, whole + "garbage behind it", 1000)) << name;
  }
}

// A few kilobytes can stand for gigabytes.
TEST(Inflate, AStreamThatBecomesTooLargeIsGivenUpAtTheLimit) {
  const std::string text(1'000'000, 'x');
  for (const auto& [name, whole] :
       std::map<std::string, std::string>{{"a.gz", gzip(text)}, {"a.zst", zstd(text)}}) {
    for (std::size_t piece : {1000u, 1u << 20}) {
      EXPECT_EQ(inflated(name, whole, piece, text.size()).value(), text) << name;
      const auto result = inflated(name, whole, piece, text.size() - 1);
      ASSERT_FALSE(result) << name;
      EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
      EXPECT_NE(result.error().message.find("max_inflated_bytes"), std::string::npos);
    }
  }
}

// ---- Claims

// Occurrences in a map: what a spill has to do.
class MapOccurrences final : public Occurrences {
 public:
  Result<void> get(std::span<const ProductId> ids, std::span<Seen> seen) override {
    for (std::size_t i = 0; i < ids.size(); ++i) seen[i] = map_[ids[i]];
    return {};
  }
  Result<void> put(std::span<const ProductId> ids, std::span<const Seen> seen) override {
    for (std::size_t i = 0; i < ids.size(); ++i) map_[ids[i]] = seen[i];
    return {};
  }

 private:
  std::map<ProductId, Seen> map_;
};

class ClaimsTest : public testing::TestWithParam<std::size_t> {
 protected:
  Claims claims_{GetParam(), [] {
                   return Result<std::unique_ptr<Occurrences>>(std::make_unique<MapOccurrences>());
                 }};

  Claims::Verdict claim(ProductId id, std::uint64_t order) {
    std::vector<Claims::Claim> one{{id, order}};
    EXPECT_TRUE(claims_.claim(one));
    return one[0].verdict;
  }
  Claims::Verdict mark(ProductId id, std::uint64_t order) {
    std::vector<Claims::Claim> one{{id, order}};
    EXPECT_TRUE(claims_.mark_written(one));
    return one[0].verdict;
  }
};

TEST_P(ClaimsTest, TheLaterLineHoldsInWhateverOrderTheyCome) {
  using enum Claims::Verdict;
  // Fill it, so that the small one has spilled.
  for (ProductId id = 1000; id < 6000; ++id) EXPECT_EQ(claim(id, 1), kLast);
  EXPECT_EQ(claims_.spilled(), GetParam() < 100'000);
  EXPECT_EQ(claim(1, 10), kLast);
  EXPECT_EQ(claim(1, 5), kSuperseded);
  EXPECT_EQ(claim(1, 20), kLast);
  EXPECT_EQ(mark(1, 10), kSuperseded);
  EXPECT_EQ(mark(1, 20), kLast);
  EXPECT_EQ(claim(1, 30), kReplacesWritten);
  // Also the line after the next one replaces what was written.
  EXPECT_EQ(claim(1, 40), kReplacesWritten);
  EXPECT_EQ(mark(1, 30), kSuperseded);
  EXPECT_EQ(claims_.size(), 5001u);
}

TEST_P(ClaimsTest, OneBlockMayHoldAnIdSeveralTimes) {
  std::vector<Claims::Claim> block{{7, 1}, {8, 2}, {7, 3}};
  ASSERT_TRUE(claims_.claim(block));
  EXPECT_EQ(block[2].other, 1u);
  ASSERT_TRUE(claims_.mark_written(block));
  EXPECT_EQ(block[0].verdict, Claims::Verdict::kSuperseded);
  EXPECT_EQ(block[2].verdict, Claims::Verdict::kLast);
}

TEST_P(ClaimsTest, RoomMadeAheadLosesNothingAndKeepsTheLimit) {
  using enum Claims::Verdict;
  claims_.expect(1'000);
  EXPECT_EQ(claim(0, 7), kLast);
  EXPECT_EQ(claim(std::numeric_limits<ProductId>::max(), 8), kLast);
  claims_.expect(std::uint64_t{1} << 60);
  EXPECT_EQ(claim(0, 6), kSuperseded);
  EXPECT_EQ(claim(std::numeric_limits<ProductId>::max(), 7), kSuperseded);
  for (ProductId id = 1; id < 6000; ++id) EXPECT_EQ(claim(id, 1), kLast);
  EXPECT_EQ(claims_.spilled(), GetParam() < 100'000);
  claims_.expect(1'000);
  EXPECT_EQ(claim(0, 6), kSuperseded);
  EXPECT_EQ(claims_.size(), 6001u);
}

INSTANTIATE_TEST_SUITE_P(MemoryAndSpill, ClaimsTest, testing::Values(1 << 22, 1 << 14));

TEST(LineOrder, ComparesByObjectThenAttemptThenOffset) {
  EXPECT_LT(LineOrder::pack(1, 3, 1 << 30), LineOrder::pack(2, 0, 0));
  EXPECT_LT(LineOrder::pack(1, 0, 1 << 30), LineOrder::pack(1, 1, 0));
  EXPECT_LT(LineOrder::pack(1, 0, 16), LineOrder::pack(1, 0, 32));
  EXPECT_EQ(LineOrder::object_of(LineOrder::pack(LineOrder::kMaxObjects, 3, ~0ull)),
            LineOrder::kMaxObjects);
}

TEST(Claims, ASpillThatCannotBeMadeIsAnError) {
  Claims claims(1 << 14, [] {
    return Result<std::unique_ptr<Occurrences>>(fail(ErrorCode::kUnavailable, "the disk is full"));
  });
  std::vector<Claims::Claim> many;
  for (ProductId id = 0; id < 5000; ++id) many.push_back({id, 1});
  EXPECT_EQ(claims.claim(many).error().code, ErrorCode::kUnavailable);
}

// ---- compare

TEST(Compare, EveryCase) {
  const Fingerprint same{1, 2}, other{3, 4};
  auto entry = [&](CacheEntry::State state, bool repeated = false) {
    return CacheEntry{state, repeated, same, 5, 6};
  };
  using State = CacheEntry::State;
  EXPECT_EQ(compare(same, entry(State::kAbsent), {}), Action::kAdd);
  EXPECT_EQ(compare(same, entry(State::kDirty), {}), Action::kChange);
  EXPECT_EQ(compare(same, entry(State::kStored), {}), Action::kKeep);
  EXPECT_EQ(compare(other, entry(State::kStored), {}), Action::kChange);
  EXPECT_EQ(compare(same, entry(State::kStored), {.replaces_written = true}), Action::kChange);
  EXPECT_EQ(compare(same, entry(State::kStored), {.recordable = true}), Action::kTakeOver);
  EXPECT_EQ(
      compare(same, entry(State::kStored), {.recordable = true, .owner = OwnerIs::kThisObject}),
      Action::kKeep);
  EXPECT_EQ(
      compare(same, entry(State::kStored), {.recordable = true, .owner = OwnerIs::kListedLater}),
      Action::kKeep);
  EXPECT_EQ(compare(other, entry(State::kStored), {.owner = OwnerIs::kSkippedLater}),
            Action::kDrop);
  const CompareFacts later{.may_defer = true, .owner = OwnerIs::kListedLater};
  EXPECT_EQ(compare(other, entry(State::kStored), later), Action::kDefer);
  EXPECT_EQ(compare(other, entry(State::kStored), {.owner = OwnerIs::kListedLater}),
            Action::kChange);
  const CompareFacts own{.may_defer = true, .owner = OwnerIs::kThisObject};
  EXPECT_EQ(compare(other, entry(State::kStored, true), own), Action::kDefer);
  EXPECT_EQ(compare(other, entry(State::kStored, false), own), Action::kChange);
}

// ---- WriteClock

WriteTime now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

TEST(WriteClock, FollowsTheClockAndNeverRunsAheadOfIt) {
  const WriteTime before = now_us();
  WriteClock clock(5);
  WriteTime last = 0;
  for (int i = 0; i < 50; ++i) {
    const WriteTime time = mock::wait(clock.next(0, true));
    EXPECT_GT(time, last);
    EXPECT_GT(time, before);
    EXPECT_EQ(time % WriteClock::kStepUs, 5);
    EXPECT_LT(time, now_us() + WriteClock::kStepUs);
    last = time;
  }
}

TEST(WriteClock, GoesBehindATimeThatAnotherClockSet) {
  WriteClock clock(0);
  const WriteTime ahead = now_us() + 3'600'000'000;
  EXPECT_GT(mock::wait(clock.next(ahead, false)), ahead);
}

TEST(WriteClock, JobsWithOtherSlotsNeverShareATime) {
  WriteClock one(1), two(2);
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(mock::wait(one.next(0, false)), mock::wait(two.next(0, false)));
  }
}

// ---- Budget, Tickets

Task<void> take_and_note(Budget& budget, std::uint64_t amount, std::vector<std::uint64_t>& order,
                         std::vector<Budget::Lease>& leases) {
  leases.push_back(co_await budget.acquire(amount));
  order.push_back(amount);
}

TEST(Budget, FirstComeFirstServedAndNeverMoreThanThereIs) {
  boost::asio::io_context io;
  Budget budget(10);
  std::vector<std::uint64_t> order;
  std::vector<Budget::Lease> leases;
  leases.reserve(8);
  for (std::uint64_t amount : {6, 5, 1, 100}) {
    boost::asio::co_spawn(io, take_and_note(budget, amount, order, leases), boost::asio::detached);
  }
  io.poll();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{6}));
  leases[0].release();
  io.restart();
  io.poll();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{6, 5, 1}));
  // More than there is at all: when nobody else has any.
  leases[1].release();
  leases[2].release();
  io.restart();
  io.poll();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{6, 5, 1, 100}));
}

Task<void> wait_and_note(Tickets& tickets, std::uint64_t number, bool& done) {
  co_await tickets.wait_before(number);
  done = true;
}

TEST(Tickets, WaitForOlderOnesOnly) {
  boost::asio::io_context io;
  Tickets tickets;
  auto first = std::make_unique<Tickets::Ticket>(tickets.take());
  auto second = tickets.take();
  auto third = std::make_unique<Tickets::Ticket>(tickets.take());
  bool second_may = false, first_may = false;
  boost::asio::co_spawn(io, wait_and_note(tickets, second.number(), second_may),
                        boost::asio::detached);
  boost::asio::co_spawn(io, wait_and_note(tickets, first->number(), first_may),
                        boost::asio::detached);
  io.poll();
  EXPECT_TRUE(first_may);
  EXPECT_FALSE(second_may);
  third.reset();
  io.restart();
  io.poll();
  EXPECT_FALSE(second_may);
  first.reset();
  io.restart();
  io.poll();
  EXPECT_TRUE(second_may);
}

// ---- MergedListing

Task<Result<std::vector<std::string>>> list_all(std::vector<Source> sources) {
  MergedListing listing(std::move(sources));
  auto opened = co_await listing.open();
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  std::vector<std::string> names;
  for (;;) {
    auto page = co_await listing.next();
    if (!page) co_return std::unexpected(std::move(page.error()));
    if (page->empty()) co_return names;
    for (const auto& listed : *page) names.push_back(listed.object.name);
  }
}

TEST(MergedListing, InByteOrderOverAllSourcesEachOnceStandardInputLast) {
  auto fetch = std::make_shared<MemoryFetch>();
  fetch->page = 2;
  for (const char* name : {"x/b", "x/a", "y/a", "y/Z", "x/c"}) fetch->put(name, "");
  fetch->put_stream("-", "");
  const auto names =
      mock::wait(list_all({{fetch, "-"}, {fetch, "y/*"}, {fetch, "x/*"}, {fetch, "x/b"}}));
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (std::vector<std::string>{"x/a", "x/b", "x/c", "y/Z", "y/a", "-"}));
}

TEST(MergedListing, ASourceThatNamesNothingIsAnError) {
  auto fetch = std::make_shared<MemoryFetch>();
  EXPECT_EQ(mock::wait(list_all({{fetch, "nothing"}})).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace dataflow::pipeline
