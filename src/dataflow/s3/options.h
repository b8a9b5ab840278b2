// What an operator may set of the S3 side. The defaults suit AWS and a bucket in the same country.
//
// Credentials are never set here: they come from the standard chain (AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; a web identity; the container's or the instance's
// role).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace dataflow::s3 {

struct Options {
  // Empty: AWS_S3_REGION, else AWS_REGION, else AWS_DEFAULT_REGION, else us-east-1.
  std::string region;
  // Empty: AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL, else AWS itself. The bucket goes into the
  // path.
  std::string endpoint;

  // For https endpoints, in PEM. The endpoint's certificate is always verified.
  std::string ca_file;    // whose certificates are believed; empty: the system's authorities
  std::string cert_file;  // what we show, where the endpoint asks for it; with key_file
  std::string key_file;   // without a passphrase

  std::chrono::milliseconds connect_timeout{5'000};
  // The longest pause of an answer; a whole answer may take ten times as long.
  std::chrono::milliseconds request_timeout{30'000};
  // A request that was throttled, broken off or answered by a server's fault is repeated this
  // often, with growing pauses of up to 5 s, ...
  std::uint32_t retries = 8;
  // ... but none is begun later than this after the first.
  std::chrono::milliseconds retry_timeout{60'000};

  // An object is read in ranges of this size; a smaller one with one request.
  std::size_t part_bytes = 2 << 20;
  // Ranges of one object that are under way or waiting to be delivered.
  std::size_t parts_per_object = 8;
  // The same of all objects that are being read, in bytes. A reader always gets the range that its
  // caller waits for, so that many readers may exceed this by one range each.
  std::size_t max_buffered_bytes = 24 << 20;
};

}  // namespace dataflow::s3
