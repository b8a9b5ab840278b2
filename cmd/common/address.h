// "host:port" as people write it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dataflow::cmd {

struct Address {
  std::string host;  // without the brackets of an IPv6 address; empty: every interface
  std::uint16_t port = 0;
};

// "127.0.0.1:8080", "localhost:8080", "[::1]:8080", ":8080" (an empty host). Nothing where it is
// none of these.
std::optional<Address> parse_address(std::string_view text);

}  // namespace dataflow::cmd
