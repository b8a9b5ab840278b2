// Understands what a request asks for. Pure functions: no store, no socket.
#pragma once

#include <ostream>  // which Beast's verb.hpp uses and does not include

#include <boost/beast/http/verb.hpp>
#include <string_view>

#include "dataflow/http/problem.h"
#include "dataflow/product.h"

namespace dataflow::http {

inline constexpr std::string_view kAllowed = "GET, HEAD, OPTIONS";  // on /product/:id

struct Route {
  enum class Kind {
    kProduct,  // GET or HEAD of one product: `id`
    kOptions,  // which methods there are
    kProblem,  // `status` and `detail`
  };
  Kind kind = Kind::kProblem;
  ProductId id = 0;
  Status status = 0;
  std::string_view detail;  // a constant
};

// `target` as in the request line: a path, or an absolute URL (RFC 9112, 3.2.2), or `*`. A query is
// ignored, percent-encoded characters are decoded after the path is split. An id is written in
// decimal digits, 0 to kMaxProductId, without sign or leading zeros: every product has one URL.
Route route(boost::beast::http::verb method, std::string_view target);

}  // namespace dataflow::http
