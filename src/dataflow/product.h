// Product: what the system loads, stores and serves.
//
// What went in comes out: the JSON served is equal, value for value, to the line that was loaded.
// An optional field that is absent or null is stored as null and served as null.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace dataflow {

using ProductId = std::int64_t;  // 0 to kMaxProductId
inline constexpr ProductId kMaxProductId = std::numeric_limits<std::int64_t>::max();

struct Product {
  ProductId id = 0;
  std::string title;  // never empty
  std::optional<double> price;
  std::optional<std::string> category;
  std::optional<std::string> brand;
  std::optional<std::string> url;
  std::optional<std::string> description;

  friend bool operator==(const Product&, const Product&) = default;
};

// A product whose strings live elsewhere (in a block of a file, in a driver's frame). Valid as long
// as what it points into; cheap to copy.
struct ProductView {
  ProductId id = 0;
  std::string_view title;
  std::optional<double> price;
  std::optional<std::string_view> category;
  std::optional<std::string_view> brand;
  std::optional<std::string_view> url;
  std::optional<std::string_view> description;
};

ProductView view_of(const Product& product);
Product to_product(const ProductView& view);

}  // namespace dataflow
