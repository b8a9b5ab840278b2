#include "dataflow/pipeline/fields.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

namespace dataflow::pipeline {

namespace {

constexpr std::array kTexts = {kTitle, kCategory, kBrand, kUrl, kDescription};

// What stands before the strings.
struct Header {
  std::uint64_t has_price;
  std::uint64_t price_bits;
  std::array<std::uint64_t, kTexts.size()> lengths;  // ~0: null
};

// A long line's memory is given back.
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;

}  // namespace

Row RowMaker::make(const Fields& fields, std::uint64_t offset) {
  Header header;
  header.has_price = fields.present[kPrice] ? 1 : 0;
  header.price_bits = fields.present[kPrice] ? std::bit_cast<std::uint64_t>(fields.price) : 0;
  std::size_t bytes = sizeof(header);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const bool present = fields.present[kTexts[i]];
    header.lengths[i] = present ? fields.text[kTexts[i]].size() : ~std::uint64_t{0};
    if (present) bytes += header.lengths[i];
  }
  if (canonical_.size() < bytes) canonical_.resize(bytes);
  char* at = canonical_.data();
  std::memcpy(at, &header, sizeof(header));
  at += sizeof(header);
  for (const Column column : kTexts) {
    if (!fields.present[column]) continue;
    std::memcpy(at, fields.text[column].data(), fields.text[column].size());
    at += fields.text[column].size();
  }
  const XXH128_hash_t hash = XXH3_128bits(canonical_.data(), bytes);
  if (canonical_.size() > kKeptBytes) std::string().swap(canonical_);

  const auto text = [&fields](Column column) {
    return fields.present[column] ? std::optional(fields.text[column]) : std::nullopt;
  };
  Row row;
  row.product = {.id = fields.id,
                 .title = fields.text[kTitle],
                 .price = fields.present[kPrice] ? std::optional(fields.price) : std::nullopt,
                 .category = text(kCategory),
                 .brand = text(kBrand),
                 .url = text(kUrl),
                 .description = text(kDescription)};
  row.fingerprint = {hash.low64, hash.high64};
  if (row.fingerprint == Fingerprint{}) row.fingerprint[0] = 1;  // all zero means dirty
  row.offset = offset;
  return row;
}

}  // namespace dataflow::pipeline
