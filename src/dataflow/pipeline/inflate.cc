#include "dataflow/pipeline/inflate.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace dataflow::pipeline {

namespace {

constexpr std::size_t kInputBytes = 128 * 1024;

constexpr std::string_view kGzip = "gzip";
constexpr std::string_view kZstd = "zstd";

// Lines are handed on in blocks: what a block has gathered when the object cannot be read on is
// dropped.
constexpr std::string_view kNotLoaded =
    "; the lines behind that point, and some before it, are not loaded";

// Of a name in any case, as a folder's files are chosen. ASCII only: its encoding is not known.
bool ends_with(std::string_view name, std::string_view ending) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return name.size() >= ending.size() &&
         std::ranges::equal(name.substr(name.size() - ending.size()), ending, {}, lower);
}

// The part both formats share: compressed bytes come in pieces, decompressed ones go out as asked.
class InflatingReader : public Reader {
 public:
  InflatingReader(std::unique_ptr<Reader> reader, std::string_view name, std::uint64_t max_bytes)
      : reader_(std::move(reader)), name_(name), max_bytes_(max_bytes), input_(kInputBytes) {}

  Task<Result<std::size_t>> read(std::span<char> buffer) override {
    auto out = co_await read_more(buffer);
    if (!out) co_return std::unexpected(std::move(out.error()));
    if (*out > max_bytes_ - delivered_) co_return too_large();
    delivered_ += *out;
    co_return *out;
  }

 protected:
  // Decompresses from pending_ into `buffer`, advancing pending_; maintains inside_.
  virtual Result<std::size_t> inflate_into(std::span<char> buffer) = 0;

  std::unexpected<Error> damaged(std::string_view how) const {
    std::string message = name_ + ": the compressed stream is damaged: ";
    return fail(ErrorCode::kInvalid, message.append(how).append(kNotLoaded));
  }

  std::span<const char> pending_;
  bool inside_ = false;  // a member or frame has begun and not ended

 private:
  Task<Result<std::size_t>> read_more(std::span<char> buffer) {
    for (;;) {
      if (!pending_.empty()) {
        auto out = inflate_into(buffer);
        if (!out) co_return std::unexpected(std::move(out.error()));
        if (*out > 0) co_return *out;
        continue;
      }
      if (input_ended_) {
        if (inside_) co_return damaged("it ends early");
        co_return 0;
      }
      auto got = co_await reader_->read(input_);
      if (!got) co_return std::unexpected(std::move(got.error()));
      pending_ = std::span<const char>(input_.data(), *got);
      input_ended_ = *got == 0;
      if (input_ended_ && inside_) {
        // What the decoder still holds back, if anything.
        auto out = inflate_into(buffer);
        if (!out) co_return std::unexpected(std::move(out.error()));
        if (*out > 0) {
          input_ended_ = false;
          co_return *out;
        }
      }
    }
  }

  std::unexpected<Error> too_large() const {
    std::string message = name_ + ": it becomes more than " + std::to_string(max_bytes_) +
                          " bytes (pipeline.max_inflated_bytes)";
    return fail(ErrorCode::kInvalid, message.append(kNotLoaded));
  }

  std::unique_ptr<Reader> reader_;
  std::string name_;
  const std::uint64_t max_bytes_;
  std::uint64_t delivered_ = 0;
  std::vector<char> input_;
  bool input_ended_ = false;
};

class GzipReader final : public InflatingReader {
 public:
  using InflatingReader::InflatingReader;
  ~GzipReader() override {
    if (ready_) inflateEnd(&stream_);
  }

 protected:
  Result<std::size_t> inflate_into(std::span<char> buffer) override {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (!ready_) {
      if (inflateInit2(&stream_, kGzipOnly) != Z_OK) return damaged("no memory for the decoder");
      ready_ = true;
    }
    if (in_padding_ || (!inside_ && members_ > 0 && pending_.front() == 0)) return skip_padding();
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(pending_.data()));
    stream_.avail_in = static_cast<uInt>(pending_.size());
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(buffer.size());
    inside_ = true;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    pending_ = pending_.last(stream_.avail_in);
    if (status == Z_STREAM_END) {
      inside_ = false;
      ++members_;
      inflateReset2(&stream_, kGzipOnly);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return damaged(stream_.msg != nullptr ? stream_.msg : "not gzip");
    }
    return buffer.size() - stream_.avail_out;
  }

 private:
  // What fills a stream up to a whole block; gzip(1) passes over it as well.
  Result<std::size_t> skip_padding() {
    in_padding_ = true;
    if (std::ranges::any_of(pending_, [](char c) { return c != 0; })) {
      return damaged("zeros behind it, and then something else");
    }
    pending_ = {};
    return 0;
  }

  z_stream stream_{};
  bool ready_ = false;
  std::uint64_t members_ = 0;  // that have ended
  bool in_padding_ = false;
};

class ZstdReader final : public InflatingReader {
 public:
  ZstdReader(std::unique_ptr<Reader> reader, std::string_view name, std::uint64_t max_bytes)
      : InflatingReader(std::move(reader), name, max_bytes), stream_(ZSTD_createDStream()) {
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }
  ~ZstdReader() override { ZSTD_freeDStream(stream_); }

 protected:
  Result<std::size_t> inflate_into(std::span<char> buffer) override {
    ZSTD_inBuffer in{pending_.data(), pending_.size(), 0};
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    const std::size_t hint = ZSTD_decompressStream(stream_, &out, &in);
    pending_ = pending_.subspan(in.pos);
    if (ZSTD_isError(hint)) return damaged(ZSTD_getErrorName(hint));
    inside_ = hint != 0;
    return out.pos;
  }

 private:
  ZSTD_DStream* stream_;
};

std::string_view coding_of(std::string_view name) {
  if (ends_with(name, ".gz")) return kGzip;
  if (ends_with(name, ".zst")) return kZstd;
  return {};
}

std::unique_ptr<Reader> decoded(std::unique_ptr<Reader> reader, std::string_view coding,
                                std::string_view name, std::uint64_t max_bytes) {
  if (coding == kGzip) return std::make_unique<GzipReader>(std::move(reader), name, max_bytes);
  if (coding == kZstd) return std::make_unique<ZstdReader>(std::move(reader), name, max_bytes);
  return reader;
}

}  // namespace

bool is_compressed(const Reader& reader, std::string_view name) {
  return !reader.coding().empty() || !coding_of(name).empty();
}

std::unique_ptr<Reader> inflate(std::unique_ptr<Reader> reader, std::string_view name,
                                std::uint64_t max_bytes) {
  const std::string_view by_name = coding_of(name);
  const std::string by_source(reader->coding());
  if (by_source != by_name) {
    const std::string shown = std::string(name) + " (Content-Encoding " + by_source + ")";
    reader = decoded(std::move(reader), by_source, shown, max_bytes);
  }
  return decoded(std::move(reader), by_name, name, max_bytes);
}

}  // namespace dataflow::pipeline
