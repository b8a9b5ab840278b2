#include "dataflow/rocksdb/product_codec.h"

#include <optional>

namespace dataflow::rocksdb {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeaderBytes = 2;

constexpr unsigned kPrice = 1u << 0;
constexpr unsigned kCategory = 1u << 1;
constexpr unsigned kBrand = 1u << 2;
constexpr unsigned kUrl = 1u << 3;
constexpr unsigned kDescription = 1u << 4;
constexpr unsigned kAllFields = kPrice | kCategory | kBrand | kUrl | kDescription;

// Seven bits a byte; five bytes hold the length of any string that fits into a line.
constexpr int kMaxVarintBytes = 5;

static_assert(std::endian::native == std::endian::little, "prices are stored little-endian");

void append_varint(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

// Takes a number from the beginning of `in`.
std::optional<std::uint64_t> take_varint(std::string_view& in) {
  std::uint64_t number = 0;
  for (int i = 0; i < kMaxVarintBytes && !in.empty(); ++i) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    number |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) return number;
  }
  return std::nullopt;
}

std::unexpected<Error> damaged(ProductId id, const char* where) {
  return fail(ErrorCode::kInternal,
              "product " + std::to_string(id) +
                  " is damaged in the embedded database; remove the database and load again",
              where);
}

}  // namespace

void encode_product(const ProductView& product, std::string& value) {
  const auto bit = [](const auto& field, unsigned which) { return field ? which : 0u; };
  value.clear();
  value.push_back(kVersion);
  value.push_back(static_cast<char>(bit(product.price, kPrice) | bit(product.category, kCategory) |
                                    bit(product.brand, kBrand) | bit(product.url, kUrl) |
                                    bit(product.description, kDescription)));
  if (product.price) {
    char bytes[sizeof(double)];
    std::memcpy(bytes, &*product.price, sizeof bytes);
    value.append(bytes, sizeof bytes);
  }
  append_varint(value, product.title.size());
  const std::optional<std::string_view>* const strings[] = {&product.category, &product.brand,
                                                            &product.url, &product.description};
  for (const auto* string : strings) {
    if (*string) append_varint(value, (*string)->size());
  }
  value.append(product.title);
  for (const auto* string : strings) {
    if (*string) value.append(**string);
  }
}

Result<ProductView> decode_product(ProductId id, std::string_view value) {
  if (value.size() < kHeaderBytes || value[0] != kVersion) return damaged(id, "unknown version");
  const auto fields = static_cast<unsigned char>(value[1]);
  if ((fields & ~kAllFields) != 0) return damaged(id, "unknown fields");
  value.remove_prefix(kHeaderBytes);

  ProductView product;
  product.id = id;
  if (fields & kPrice) {
    if (value.size() < sizeof(double)) return damaged(id, "no price");
    double price = 0;
    std::memcpy(&price, value.data(), sizeof price);
    product.price = price;
    value.remove_prefix(sizeof price);
  }
  struct Field {
    unsigned bit;
    std::optional<std::string_view>* string;
    std::uint64_t length = 0;
  };
  std::optional<std::string_view> title;
  Field strings[] = {{0, &title},
                     {kCategory, &product.category},
                     {kBrand, &product.brand},
                     {kUrl, &product.url},
                     {kDescription, &product.description}};
  const auto is_there = [fields](const Field& field) {
    return field.bit == 0 || (fields & field.bit) != 0;
  };
  for (Field& field : strings) {
    if (!is_there(field)) continue;
    const auto length = take_varint(value);
    if (!length) return damaged(id, "no length");
    field.length = *length;
  }
  for (const Field& field : strings) {
    if (!is_there(field)) continue;
    if (field.length > value.size()) return damaged(id, "a string ends too early");
    *field.string = value.substr(0, field.length);
    value.remove_prefix(field.length);
  }
  if (!value.empty()) return damaged(id, "bytes after the end");
  if (title->empty()) return damaged(id, "an empty title");
  product.title = *title;
  return product;
}

}  // namespace dataflow::rocksdb
