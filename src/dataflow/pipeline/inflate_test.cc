// Goal: compressed objects are read as what they hold; what is no such object, is cut short or
// never ends is an error.
#include "dataflow/pipeline/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/mock/memory_fetch.h"
#include "dataflow/mock/wait.h"
#include "dataflow/pipeline/reader_fixture.h"

namespace dataflow::pipeline {
namespace {

using mock::MemoryFetch;

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
  EXPECT_EQ(inflated("A.JSONL.GZ", gzip(text), 4096).value(), text);
  EXPECT_EQ(inflated("A.JSONL.ZST", zstd(text), 4096).value(), text);
  EXPECT_EQ(inflated("a.gz", "", 10).value(), "");
  EXPECT_EQ(inflated("a.zst", zstd(""), 10).value(), "");
}

// What a source says of its bytes, as S3 does of objects that were stored with a Content-Encoding.
class CodedReader : public Reader {
 public:
  CodedReader(std::unique_ptr<Reader> reader, std::string coding)
      : reader_(std::move(reader)), coding_(std::move(coding)) {}
  Task<Result<std::size_t>> read(std::span<char> buffer) override { return reader_->read(buffer); }
  std::string_view coding() const override { return coding_; }

 private:
  std::unique_ptr<Reader> reader_;
  std::string coding_;
};

TEST(Inflate, ACodingThatTheSourceKnowsCountsAsANameDoes) {
  const std::string text = "a line\n";
  struct Case {
    std::string name, coding, content;
  };
  for (const auto& [name, coding, content] :
       std::vector<Case>{{"a.jsonl", "gzip", gzip(text)},
                         {"a.jsonl", "zstd", zstd(text)},
                         {"a.jsonl.gz", "gzip", gzip(text)},  // once, and said twice
                         {"a.jsonl.gz", "zstd", zstd(gzip(text))},
                         {"a.jsonl.gz", "", gzip(text)}}) {
    MemoryFetch fetch;
    auto stored = mock::wait(open_reader(fetch, name, content));
    auto reader = std::make_unique<CodedReader>(std::move(*stored), coding);
    EXPECT_TRUE(is_compressed(*reader, name));
    EXPECT_EQ(mock::wait(read_all(inflate(std::move(reader), name), 100)).value(), text)
        << name << " " << coding;
  }
  MemoryFetch fetch;
  auto damaged = mock::wait(open_reader(fetch, "a.jsonl", text));
  auto reader = std::make_unique<CodedReader>(std::move(*damaged), "gzip");
  const auto read = mock::wait(read_all(inflate(std::move(reader), "a.jsonl"), 100));
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("Content-Encoding gzip"), std::string::npos);
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
      // A block's lines are handed on together: those that were being gathered are not.
      EXPECT_NE(result.error().message.find("and some before it, are not loaded"),
                std::string::npos);
    }
    EXPECT_FALSE(inflated(name, "this is not compressed", 1000)) << name;
    EXPECT_FALSE(inflated(name, whole + "garbage behind it", 1000)) << name;
  }
}

// As gzip(1) reads what was filled up to a whole block.
TEST(Inflate, ZerosBehindAGzipStreamAreItsEnd) {
  const std::string text = "a line\n";
  for (std::size_t piece : {1u, 7u, 1u << 20}) {
    for (std::size_t zeros : {1u, 512u, 300'000u}) {
      const std::string padded = gzip(text) + gzip(text) + std::string(zeros, '\0');
      EXPECT_EQ(inflated("a.gz", padded, piece).value(), text + text);
      EXPECT_FALSE(inflated("a.gz", padded + "x", piece));
      EXPECT_FALSE(inflated("a.gz", padded + gzip(text), piece));
    }
  }
  EXPECT_FALSE(inflated("a.gz", std::string(512, '\0'), 100));
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

}  // namespace
}  // namespace dataflow::pipeline
