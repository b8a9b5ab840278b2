#include "dataflow/http/product_handler.h"

#include "dataflow/http/json.h"

namespace dataflow::http {

void answer_route(const Route& route, Response& response) {
  if (route.kind == Route::Kind::kOptions) {
    response.clear();
    response.status = 204;
    response.allow = true;
    return;
  }
  set_problem(response, route.status, route.detail);
}

void answer_product(const Result<Product>& found, Response& response) {
  if (!found) {
    const Error error = store_error(found.error());
    set_problem(response, status_of(error.code), error.message);
    return;
  }
  response.clear();
  response.content_type = kJson;
  append_json(response.body, *found);
}

}  // namespace dataflow::http
