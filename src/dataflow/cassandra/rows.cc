#include "dataflow/cassandra/rows.h"

#include <array>
#include <bit>
#include <optional>
#include <string>
#include <string_view>

#include "dataflow/cassandra/schema.h"

namespace dataflow::cassandra {
namespace {

constexpr std::int32_t kNull = -1;

std::size_t size_of(const std::optional<std::string_view>& text) { return text ? text->size() : 0; }

// CQL's numbers are big-endian.
void append_number(std::vector<std::uint8_t>& bytes, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(number >> shift));
  }
}

void append_text(EncodedRows& rows, const std::optional<std::string_view>& text) {
  if (!text) return rows.lengths.push_back(kNull);
  rows.bytes.insert(rows.bytes.end(), text->begin(), text->end());
  rows.lengths.push_back(static_cast<std::int32_t>(text->size()));
}

std::optional<std::string> text_of(const Cell& cell) {
  if (cell.null) return std::nullopt;
  return std::string(cell.bytes);
}

double double_of(std::string_view bytes) {
  std::uint64_t bits = 0;
  for (const char byte : bytes) bits = bits << 8 | static_cast<std::uint8_t>(byte);
  return std::bit_cast<double>(bits);
}

}  // namespace

std::size_t data_size(const ProductView& product) {
  return kRowOverhead + product.title.size() + (product.price ? sizeof(double) : 0) +
         size_of(product.category) + size_of(product.brand) + size_of(product.url) +
         size_of(product.description);
}

void EncodedRows::append(const ProductView& product) {
  append_number(bytes, static_cast<std::uint64_t>(product.id));
  lengths.push_back(sizeof(product.id));
  append_text(*this, product.title);
  if (product.price) {
    append_number(bytes, std::bit_cast<std::uint64_t>(*product.price));
    lengths.push_back(sizeof(double));
  } else {
    lengths.push_back(kNull);
  }
  append_text(*this, product.category);
  append_text(*this, product.brand);
  append_text(*this, product.url);
  append_text(*this, product.description);
}

Result<Product> next_product(Rows& rows, ProductId id) {
  // Every cell is taken, so that the next row can be read whatever this one is.
  std::array<Cell, kColumns - 1> cells;
  for (Cell& cell : cells) cell = rows.next();
  const auto& [title, price, category, brand, url, description] = cells;
  if (title.missing) {
    return fail(ErrorCode::kNotFound, "there is no product " + std::to_string(id));
  }
  if (!price.null && price.bytes.size() != sizeof(double)) {
    return fail(ErrorCode::kInternal, "the price of product " + std::to_string(id) +
                                          " is no double any more: has the "
                                          "table been changed? Start again.");
  }
  Product product;
  product.id = id;
  product.title = title.bytes;  // null only where somebody else wrote the row
  if (!price.null) product.price = double_of(price.bytes);
  product.category = text_of(category);
  product.brand = text_of(brand);
  product.url = text_of(url);
  product.description = text_of(description);
  return product;
}

}  // namespace dataflow::cassandra
