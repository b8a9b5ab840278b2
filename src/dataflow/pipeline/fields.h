// Fields: what has been read of a line so far, and the row that it becomes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dataflow/pipeline/row.h"
#include "dataflow/product.h"

namespace dataflow::pipeline {

enum Column { kId, kTitle, kPrice, kCategory, kBrand, kUrl, kDescription, kColumns };

// The column of a key; kColumns for a field that is ignored.
inline Column column_of(std::string_view key) {
  switch (key.size()) {
    case 2:
      return key == "id" ? kId : kColumns;
    case 3:
      return key == "url" ? kUrl : kColumns;
    case 5:
      if (key == "title") return kTitle;
      if (key == "price") return kPrice;
      return key == "brand" ? kBrand : kColumns;
    case 8:
      return key == "category" ? kCategory : kColumns;
    case 11:
      return key == "description" ? kDescription : kColumns;
    default:
      return kColumns;
  }
}

// The last value of each known field so far, or why it is not a value of that field. Reasons are
// literals.
struct Fields {
  ProductId id = 0;
  double price = 0;
  std::array<std::string_view, kColumns> text;
  std::array<bool, kColumns> present{};  // with a value: neither absent nor null
  std::array<const char*, kColumns> wrong{};
};

// Makes rows of fields. Not thread safe.
class RowMaker {
 public:
  // The row of these fields, which have an id and a title; its strings are those of the fields. The
  // fingerprint is of the values in one canonical sequence (price, lengths, strings in column
  // order): spelling, order and unknown fields of the line do not matter, content does.
  Row make(const Fields& fields, std::uint64_t offset);

 private:
  std::string canonical_;  // the sequence; kept for its memory
};

}  // namespace dataflow::pipeline
