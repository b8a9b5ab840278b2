// Writes a product as JSON, so that a reader finds value for value what was loaded.
//
// Keys in the order id, title, price, category, brand, url, description; what a product does not
// have is null. Numbers are the shortest text that reads back as the same double. Strings are the
// UTF-8 they are, with only what RFC 8259 asks for escaped. Appends, so that a buffer can be used
// again; thread safe.
#pragma once

#include <string>
#include <string_view>

#include "dataflow/product.h"

namespace dataflow::http {

void append_json(std::string& out, const Product& product);

// One string with its quotes.
void append_json_string(std::string& out, std::string_view text);

// Infinity and not-a-number, which JSON cannot write and no line can hold, are null.
void append_json_number(std::string& out, double number);

}  // namespace dataflow::http
