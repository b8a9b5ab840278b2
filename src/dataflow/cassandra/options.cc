#include "dataflow/cassandra/options.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace dataflow::cassandra {
namespace {

constexpr std::size_t kMaxKeyspaceLength = 48;  // Cassandra's own limit

constexpr std::array<std::string_view, 7> kConsistencies = {
    "one", "two", "three", "quorum", "all", "local_quorum", "local_one"};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// What needs no quotes in a statement and cannot be mistaken for another name by its case.
bool is_keyspace(std::string_view name) {
  return !name.empty() && name.size() <= kMaxKeyspaceLength && is_letter(name.front()) &&
         std::ranges::all_of(
             name, [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

Result<void> check(const Options& options) {
  if (options.hosts.empty() || std::ranges::count(options.hosts, std::string()) != 0) {
    return fail(ErrorCode::kInvalid, "cassandra.host names no host: give at least one");
  }
  if (options.port == 0) return fail(ErrorCode::kInvalid, "cassandra.port is 0");
  if (!is_keyspace(options.keyspace)) {
    return fail(ErrorCode::kInvalid,
                "cassandra.keyspace is \"" + options.keyspace +
                    "\": use up to 48 lower-case letters, digits and underscores, a letter first");
  }
  if (std::ranges::count(kConsistencies, options.consistency) == 0) {
    return fail(ErrorCode::kInvalid, "cassandra.consistency is \"" + options.consistency +
                                         "\": use one, two, three, quorum, all, local_quorum or "
                                         "local_one");
  }
  const bool has_files = !options.ca_file.empty() || !options.cert_file.empty() ||
                         !options.key_file.empty() || !options.tls_name.empty();
  if (has_files && !options.tls) {
    return fail(ErrorCode::kInvalid,
                "cassandra.ca_file, cert_file, key_file and tls_name count with TLS only: set "
                "cassandra.tls = true");
  }
  if (options.connect_timeout_ms == 0 || options.request_timeout_ms == 0) {
    return fail(ErrorCode::kInvalid,
                "cassandra.connect_timeout_ms and cassandra.request_timeout_ms are at least 1");
  }
  if (options.max_in_flight == 0) {
    return fail(ErrorCode::kInvalid, "cassandra.max_in_flight is at least 1");
  }
  return {};
}

}  // namespace dataflow::cassandra
