// How a product stands in the embedded database.
//
// Key: the id, 8 bytes, big-endian, so that keys sort as ids do.
// Value, version 1:
//   1 byte   version (1)
//   1 byte   which optional fields are there: bit 0 price, 1 category, 2 brand, 3 url, 4
//   description 8 bytes  price, IEEE 754 double, little-endian, where there is one varints  the
//   lengths of title and of each string that is there, in the order above (LEB128) bytes    the
//   strings themselves, in the same order, UTF-8
//
// A value is read without a copy: the strings of the view point into it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "dataflow/error.h"
#include "dataflow/product.h"

namespace dataflow::rocksdb {

inline std::uint64_t big_endian(std::uint64_t number) {
  return std::endian::native == std::endian::little ? __builtin_bswap64(number) : number;
}

// The key of a product.
class ProductKey {
 public:
  ProductKey() = default;
  explicit ProductKey(ProductId id) {
    const std::uint64_t number = big_endian(static_cast<std::uint64_t>(id));
    std::memcpy(bytes_.data(), &number, sizeof number);
  }
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, sizeof(std::uint64_t)> bytes_{};
};

// Replaces what `value` holds; reuse it to spare allocations.
void encode_product(const ProductView& product, std::string& value);

// The product in `value`, valid as long as that is. kInternal where it is no such value.
Result<ProductView> decode_product(ProductId id, std::string_view value);

}  // namespace dataflow::rocksdb
