// GET and HEAD /product/:id, OPTIONS, and the problem for everything else.
//
// Two halves around the store's answer, so that the connection awaits the store itself: no
// coroutine, no allocation in between.
#pragma once

#include "dataflow/error.h"
#include "dataflow/http/response.h"
#include "dataflow/http/router.h"
#include "dataflow/product.h"

namespace dataflow::http {

// The answer to a request that needs no store.
void answer_route(const Route& route, Response& response);

// The answer to GET or HEAD of a product, from what the store said. The store's own words are not
// in it.
void answer_product(const Result<Product>& found, Response& response);

}  // namespace dataflow::http
