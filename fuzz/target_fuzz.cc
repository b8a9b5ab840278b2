// Goal: every method and request target has one answer, and every product one URL.
//
// Input: one byte that chooses the method, then the target.
#include <cstdint>
#include <string>
#include <string_view>

#include "dataflow/http/router.h"
#include "fuzz/support.h"

namespace dataflow::http {
namespace {

using boost::beast::http::verb;
using fuzz::check;

void check_route(verb method, std::string_view target) {
  const Route found = route(method, target);
  switch (found.kind) {
    case Route::Kind::kProduct: {
      check(method == verb::get || method == verb::head, "products are only read", target);
      check(found.id >= 0 && found.id <= kMaxProductId, "an id is one", target);
      const Route again = route(method, "/product/" + std::to_string(found.id));
      check(again.kind == Route::Kind::kProduct && again.id == found.id, "a product has its URL",
            target);
      break;
    }
    case Route::Kind::kOptions:
      check(method == verb::options && found.status == 204, "options are asked for", target);
      break;
    case Route::Kind::kProblem:
      check(found.status == 400 || found.status == 404 || found.status == 405,
            "a problem has its status", target);
      check(!found.detail.empty(), "a problem is explained", target);
      check(found.status != 405 || (method != verb::get && method != verb::head),
            "reading is allowed", target);
      break;
  }
}

}  // namespace
}  // namespace dataflow::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dataflow::http;
  if (size == 0) return 0;
  const std::string_view target(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr verb kMethods[] = {verb::get,   verb::head,    verb::options, verb::post,
                               verb::put,   verb::delete_, verb::connect, verb::trace,
                               verb::patch, verb::unknown};
  check_route(kMethods[data[0] % std::size(kMethods)], target);
  return 0;
}
