#include "cmd/common/settings.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "cmd/common/address.h"
#include "cmd/common/setting_lines.h"

namespace dataflow::cmd {
namespace {

// What text settings and the elements of lists have to look like.
bool is_not_empty(std::string_view text) { return !text.empty(); }

bool is_address(std::string_view text) { return parse_address(text).has_value(); }

bool is_server(std::string_view text) {
  const auto address = parse_address(text);
  return address && !address->host.empty() && address->port != 0;
}

bool is_host(std::string_view text) {
  if (text.empty() || text.find_first_of(" \t,/@") != std::string_view::npos) return false;
  return text.find(':') == std::string_view::npos || is_server(text);
}

// Cassandra's rule for unquoted names, in lower case: what needs no quoting in any statement.
bool is_keyspace(std::string_view text) {
  constexpr std::size_t kLongest = 48;
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && text.size() <= kLongest && text[0] >= 'a' && text[0] <= 'z' &&
         std::ranges::all_of(text, is_name);
}

constexpr std::array<std::string_view, 7> kConsistencies = {
    "one", "two", "three", "quorum", "all", "local_quorum", "local_one"};
bool is_consistency(std::string_view text) {
  return std::ranges::find(kConsistencies, text) != kConsistencies.end();
}

bool is_url_or_empty(std::string_view text) {
  return text.empty() || text.starts_with("http://") || text.starts_with("https://");
}

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kMebibyte = 1'048'576;
constexpr std::int64_t kTebibyte = kMebibyte * kMebibyte;
constexpr std::int64_t kManyThreads = 1'024;
constexpr const char* kPathOrEmpty = "the path of a file, or empty";

std::vector<Setting> cassandra_settings() {
  using C = CassandraConfig;
  return {
      list(&C::hosts, "host",
           "Nodes to connect to first, \"host\" or \"host:port\"; one, or a list. The others are "
           "found.",
           is_host, "\"host\" or \"host:port\", or a list of them")
          .example(),
      number(&C::port, "port", 1, 65'535, "The port of the hosts that name none.").example(),
      text(&C::keyspace, "keyspace",
           "Where the table products is; scripts/provision.sh creates both.", is_keyspace,
           "a name of lower-case letters, digits and _, at most 48, a letter first")
          .example(),
      text(&C::user, "user", "The role to log in with; empty: no authentication."),
      text(&C::pass, "pass", "Its password.").secret(),
      text(&C::pass_file, "pass_file",
           "A file that holds the password and nothing else, in place of pass.", is_anything,
           kPathOrEmpty),
      yes_or_no(&C::tls, "tls",
                "Whether connections are encrypted. Every node's certificate is then verified."),
      text(&C::ca_file, "ca_file",
           "The certificates of the authorities that are believed, in PEM; empty: the system's.",
           is_anything, kPathOrEmpty),
      text(&C::cert_file, "cert_file",
           "The client certificate in PEM, where the cluster asks for one; with key_file.",
           is_anything, kPathOrEmpty),
      text(&C::key_file, "key_file", "Its private key, in PEM, without a passphrase.", is_anything,
           kPathOrEmpty),
      text(
          &C::tls_name, "tls_name",
          "A name that the nodes' certificates carry, where it is neither their address nor a name "
          "in host."),
      text(&C::consistency, "consistency",
           "How many replicas have to acknowledge a write or a read.", is_consistency,
           "one, two, three, quorum, all, local_quorum or local_one")
          .lower_case()
          .example(),
      text(&C::datacenter, "datacenter",
           "The datacenter whose nodes are preferred, and with local_quorum and local_one the only "
           "ones; empty: any. Where there are several, these two need it."),
      number(&C::connect_timeout_ms, "connect_timeout_ms", 1, kHourMs,
             "Until a connection has to be there."),
      number(&C::request_timeout_ms, "request_timeout_ms", 1, kHourMs,
             "Until one request has to be answered."),
      number(&C::retry_timeout_ms, "retry_timeout_ms", 0, kHourMs,
             "How long the job repeats what failed before it gives up, also when it starts."),
      number(
          &C::max_in_flight, "max_in_flight", 1, 32'768,
          "Batches that may be under way at once, at most; fewer are where more would not help."),
  };
}

std::vector<Setting> redis_settings() {
  using R = RedisConfig;
  return {
      text(&R::addr, "addr", "The server, \"host:port\".", is_server, "\"host:port\"").example(),
      text(&R::user, "user", "The user to log in with (ACL); empty: the default user."),
      text(&R::pass, "pass", "Its password; empty: no authentication.").secret(),
      text(&R::pass_file, "pass_file",
           "A file that holds the password and nothing else, in place of pass.", is_anything,
           kPathOrEmpty),
      yes_or_no(&R::tls, "tls",
                "Whether connections are encrypted. The server's certificate is then verified, for "
                "the host in addr."),
      text(&R::ca_file, "ca_file",
           "The certificates of the authorities that are believed, in PEM; empty: the system's.",
           is_anything, kPathOrEmpty),
      text(&R::cert_file, "cert_file",
           "The client certificate in PEM, where the server asks for one; with key_file.",
           is_anything, kPathOrEmpty),
      text(&R::key_file, "key_file", "Its private key, in PEM, without a passphrase.", is_anything,
           kPathOrEmpty),
      number(&R::db, "db", 0, 65'535, "The number of the database.").example(),
      number(&R::connect_timeout_ms, "connect_timeout_ms", 1, kHourMs,
             "Until a connection has to be there."),
      number(&R::response_timeout_ms, "response_timeout_ms", 1, kHourMs,
             "Until a call has to be answered. The cache is advice: the job goes on without it."),
      number(&R::reconnect_pause_ms, "reconnect_pause_ms", 1, kHourMs,
             "After an attempt to connect has failed, calls fail at once for so long."),
  };
}

std::vector<Setting> rocksdb_settings() {
  using R = RocksdbConfig;
  return {
      text(&R::path, "path", "The folder of the embedded store and cache.", is_not_empty,
           "the path of a folder"),
      yes_or_no(
          &R::sync, "sync",
          "Whether every write waits for the disk. Otherwise the end of a job does, and a loss "
          "of power before it costs a run, never a row."),
      number(&R::write_buffer_bytes, "write_buffer_bytes", kMebibyte, kTebibyte,
             "Memory for rows that were written and are not yet in a table."),
      number(&R::block_cache_bytes, "block_cache_bytes", kMebibyte, kTebibyte,
             "Memory of the job for what it reads."),
      number(&R::service_cache_bytes, "service_cache_bytes", kMebibyte, kTebibyte,
             "Memory of the service for what it reads: products beyond it are read from the disk "
             "and inflated each time."),
  };
}

std::vector<Setting> s3_settings() {
  using S = S3Config;
  return {
      text(&S::bucket, "bucket", "The bucket that job reads when no source is named.")
          .also({"AWS_S3_BUCKET"}),
      text(&S::region, "region",
           "Its region; empty: what AWS_REGION or AWS_DEFAULT_REGION says, else us-east-1.")
          .also({"AWS_S3_REGION"}),
      text(&S::endpoint, "endpoint", "The URL of another S3 endpoint than AWS's.", is_url_or_empty,
           "an http:// or https:// URL")
          .also({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}),
      text(&S::ca_file, "ca_file",
           "The certificates of the authorities that are believed of an https endpoint, in PEM; "
           "empty: the system's.",
           is_anything, kPathOrEmpty)
          .also({"AWS_CA_BUNDLE"}),
      text(&S::cert_file, "cert_file",
           "The client certificate in PEM, where the endpoint asks for one; with key_file.",
           is_anything, kPathOrEmpty),
      text(&S::key_file, "key_file", "Its private key, in PEM, without a passphrase.", is_anything,
           kPathOrEmpty),
      number(&S::connect_timeout_ms, "connect_timeout_ms", 1, kHourMs,
             "Until a connection has to be there."),
      number(&S::request_timeout_ms, "request_timeout_ms", 1, kHourMs,
             "The longest pause of an answer; the whole of it, at most a few MiB, may take ten "
             "times as long."),
      number(&S::retries, "retries", 0, 1'000, "How often one request is repeated."),
      number(&S::retry_timeout_ms, "retry_timeout_ms", 0, kHourMs,
             "How long one request is repeated before the job gives up."),
      number(&S::part_bytes, "part_bytes", 65'536, 1'024 * kMebibyte,
             "An object is read in ranges of this size."),
      number(&S::parts_per_object, "parts_per_object", 1, kManyThreads,
             "Ranges of one object that are read at once."),
      number(&S::max_buffered_bytes, "max_buffered_bytes", kMebibyte, kTebibyte,
             "What ranges that wait to be used may hold, of all objects together."),
  };
}

std::vector<Setting> http_settings() {
  using H = HttpConfig;
  return {
      text(&H::listen, "listen",
           "Where microservice listens, \"host:port\"; \":8080\" is every interface, port 0 any "
           "free "
           "one. -listen wins.",
           is_address, "\"host:port\""),
      text(&H::cert_file, "cert_file",
           "With key_file: microservice speaks TLS. Its certificate in PEM, followed by those "
           "between "
           "it and the CA. SIGHUP makes it read both files again.",
           is_anything, kPathOrEmpty),
      text(&H::key_file, "key_file",
           "The private key of the certificate, in PEM, without a passphrase.", is_anything,
           kPathOrEmpty),
      yes_or_no(&H::access_log, "access_log", "Whether each request is a line on standard output."),
      number(&H::threads, "threads", 0, kManyThreads,
             "Threads that serve; 0: one for each core that the process may use."),
      number(&H::max_connections, "max_connections", 1, kMebibyte,
             "Open connections; one more is answered 503 and closed."),
      number(&H::max_header_bytes, "max_header_bytes", 256, kMebibyte,
             "Request line and header fields; a longer one is answered 431."),
      number(&H::max_target_bytes, "max_target_bytes", 16, kMebibyte,
             "The request's target; a longer one is answered 414."),
      number(&H::max_body_bytes, "max_body_bytes", 0, kMebibyte,
             "The body that nobody asked for; a longer one is answered 413."),
      number(&H::max_unsent_bytes, "max_unsent_bytes", kMebibyte, kTebibyte,
             "What answers of more than 16 KiB may hold that clients have not taken yet, of all "
             "connections together; one more is 503."),
      number(&H::handshake_timeout_ms, "handshake_timeout_ms", 1, kHourMs,
             "Until TLS has to be agreed on; then the connection is closed."),
      number(&H::header_timeout_ms, "header_timeout_ms", 1, kHourMs,
             "From the first byte of a request to its last; then 408."),
      number(&H::idle_timeout_ms, "idle_timeout_ms", 1, kHourMs,
             "Between two requests of one connection; then it is closed."),
      number(&H::request_timeout_ms, "request_timeout_ms", 1, kHourMs,
             "Until the store has to have answered; then 503."),
      number(&H::write_timeout_ms, "write_timeout_ms", 1, kHourMs,
             "Until the client has to have taken its answer; then the connection is closed."),
      number(&H::drain_timeout_ms, "drain_timeout_ms", 0, kHourMs,
             "How long requests in flight may take after SIGINT or SIGTERM."),
  };
}

std::vector<Setting> pipeline_settings() {
  using P = PipelineConfig;
  return {
      number(&P::concurrency, "concurrency", 0, kManyThreads,
             "Threads that split, parse and compare; 0: one for each CPU that the job may use. "
             "-concurrency wins."),
      number(&P::max_errors, "max_errors", 0, std::numeric_limits<std::int64_t>::max(),
             "Rejected lines that a run puts up with; one more stops it. -max-errors wins."),
      number(&P::max_line_bytes, "max_line_bytes", 1'024, 1'024 * kMebibyte,
             "A longer line is rejected."),
      number(&P::max_inflated_bytes, "max_inflated_bytes", kMebibyte, kTebibyte,
             "What one .gz or .zst object may become; a larger one (a bomb?) is given up there."),
      number(&P::max_rejects_bytes, "max_rejects_bytes", kMebibyte, kTebibyte,
             "What rejected lines may take on disk; more stops the run."),
      number(&P::block_bytes, "block_bytes", 4'096, 64 * kMebibyte,
             "Lines that go through the stages together."),
      number(&P::buffer_bytes, "buffer_bytes", 16 * kMebibyte, kTebibyte,
             "What all lines in flight between the stages may take together."),
      number(&P::ids_memory_bytes, "ids_memory_bytes", kMebibyte, kTebibyte,
             "What the ids seen in a run may take; beyond it they go to a temporary file."),
      number(
          &P::deferred_bytes, "deferred_bytes", 0, kTebibyte,
          "Rows that wait for the end: for a later line of the same id, so that only that one is "
          "written, or for others where few have changed."),
      number(&P::objects_in_flight, "objects_in_flight", 1, kManyThreads,
             "Objects that are read at once."),
      text(&P::rejects, "rejects",
           "Where rejected lines are kept; -rejects wins. A dry run heeds that alone.",
           is_not_empty, "the path of a file"),
  };
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return out;
}

}  // namespace

std::string Setting::variable() const { return "DATAFLOW_" + upper(section) + "_" + upper(key); }

std::span<const Section> sections() {
  static const std::array<Section, 6> kSections = {
      section<CassandraConfig>(
          "Where products are kept. Without this section the store is embedded "
          "(RocksDB, see [rocksdb])."),
      section<RedisConfig>("What the job remembers between runs. Without this section the cache is "
                           "embedded as well."),
      section<RocksdbConfig>("The embedded store and cache."),
      section<S3Config>(
          "S3, or what speaks its protocol. Credentials come from the environment "
          "(AWS_ACCESS_KEY_ID, ...), a web identity, or the container's or the instance's role, "
          "never from this file; ~/.aws and its profiles are not read."),
      section<HttpConfig>("The microservice."),
      section<PipelineConfig>("The job."),
  };
  return kSections;
}

std::span<const Setting> settings() {
  static const std::vector<Setting> kSettings = [] {
    std::vector<Setting> all;
    for (auto part : {cassandra_settings(), redis_settings(), rocksdb_settings(), s3_settings(),
                      http_settings(), pipeline_settings()}) {
      std::ranges::move(part, std::back_inserter(all));
    }
    return all;
  }();
  return kSettings;
}

}  // namespace dataflow::cmd
