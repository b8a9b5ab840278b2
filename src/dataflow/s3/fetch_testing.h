// For tests of this folder: a fetch service that is asked against canned answers, small and quick,
// and the one object that most of them read.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dataflow/s3/canned_server.h"
#include "dataflow/s3/fetch_service.h"
#include "dataflow/s3/test_support.h"

namespace dataflow::s3::testing_support {

inline constexpr const char* kEtag = "\"one\"";

// Of a request to a server that does not answer; the same server's answers come in time.
inline constexpr std::chrono::seconds kStallTimeout{1};

class FetchTest : public testing::Test {
 protected:
  // Small and quick; patient, as a busy machine wants it. Where an answer stalls: kStallTimeout.
  Options options_for(const std::string& endpoint) const {
    Options options;
    options.endpoint = endpoint;
    options.region = "eu-central-1";
    options.connect_timeout = std::chrono::seconds(10);
    options.request_timeout = std::chrono::seconds(20);
    options.retries = 3;
    options.retry_timeout = std::chrono::seconds(20);
    options.part_bytes = 1000;
    options.parts_per_object = 4;
    return options;
  }

  Object object(std::uint64_t size, const std::string& key = "key") const {
    return {"s3://bucket/" + key, size, std::string(kEtag) + ":" + std::to_string(size)};
  }

  Environment environment_{
      {{"AWS_ACCESS_KEY_ID", "test"}, {"AWS_SECRET_ACCESS_KEY", "testsecret"}}};
  const std::string content_ = bytes_of(10'500);
};

// A page of a listing, in S3's words.
using Keys = std::vector<std::pair<std::string, std::string>>;  // and ETags

inline std::string page(const std::string& encoding, const Keys& keys, bool more = false,
                        const std::string& token = "") {
  std::string xml = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>";
  xml += more ? "true" : "false";
  xml += "</IsTruncated>";
  if (!token.empty()) xml += "<NextContinuationToken>" + token + "</NextContinuationToken>";
  if (!encoding.empty()) xml += "<EncodingType>" + encoding + "</EncodingType>";
  for (const auto& [key, etag] : keys) {
    xml += "<Contents><Key>" + key + "</Key><Size>3</Size>";
    if (!etag.empty()) xml += "<ETag>" + etag + "</ETag>";
    xml += "</Contents>";
  }
  return xml + "</ListBucketResult>";
}

}  // namespace dataflow::s3::testing_support
