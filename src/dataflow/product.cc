#include "dataflow/product.h"

namespace dataflow {

ProductView view_of(const Product& product) {
  return {product.id,    product.title, product.price,      product.category,
          product.brand, product.url,   product.description};
}

Product to_product(const ProductView& view) {
  return {view.id,
          std::string(view.title),
          view.price,
          std::optional<std::string>(view.category),
          std::optional<std::string>(view.brand),
          std::optional<std::string>(view.url),
          std::optional<std::string>(view.description)};
}

}  // namespace dataflow
