#include "dataflow/redis/options.h"

#include <charconv>
#include <string_view>

namespace dataflow::redis {
namespace {

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

bool is_host_and_port(std::string_view addr) {
  const auto colon = addr.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = addr.substr(0, colon);
  const bool bracketed = host.front() == '[' && host.back() == ']' && host.size() > 2;
  // More than one colon is an IPv6 address, and ambiguous without brackets.
  if (!bracketed && host.find(':') != std::string_view::npos) return false;
  return is_port(addr.substr(colon + 1));
}

}  // namespace

Result<void> check(const Options& options) {
  if (!is_host_and_port(options.addr)) {
    return fail(ErrorCode::kInvalid, "redis.addr is \"" + options.addr +
                                         "\": write \"host:port\", an IPv6 host in brackets");
  }
  if (!options.user.empty() && options.pass.empty()) {
    return fail(ErrorCode::kInvalid,
                "redis.user is set and redis.pass is not: give both, or neither");
  }
  const bool has_files =
      !options.ca_file.empty() || !options.cert_file.empty() || !options.key_file.empty();
  if (has_files && !options.tls) {
    return fail(ErrorCode::kInvalid,
                "redis.ca_file, cert_file and key_file count with TLS only: set redis.tls = true");
  }
  if (options.connect_timeout_ms == 0 || options.response_timeout_ms == 0) {
    return fail(ErrorCode::kInvalid,
                "redis.connect_timeout_ms and redis.response_timeout_ms are at least 1");
  }
  return {};
}

}  // namespace dataflow::redis
