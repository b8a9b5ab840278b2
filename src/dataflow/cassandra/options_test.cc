// Goal: options that cannot be meant are refused by name before anything is connected.
#include "dataflow/cassandra/options.h"

#include <gmock/gmock.h>

namespace dataflow::cassandra {
namespace {

using testing::HasSubstr;

std::string refusal(const Options& options) {
  const auto result = check(options);
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  return result.error().message;
}

TEST(Options, TheDefaultsAreGood) { EXPECT_EQ(refusal({}), ""); }

TEST(Options, EveryConsistencyOfReadsAndWritesIsGood) {
  for (const char* name : {"one", "two", "three", "quorum", "all", "local_quorum", "local_one"}) {
    EXPECT_EQ(refusal({.consistency = name}), "") << name;
  }
}

TEST(Options, NamesWhatIsWrong) {
  EXPECT_THAT(refusal({.hosts = {}}), HasSubstr("cassandra.host"));
  EXPECT_THAT(refusal({.hosts = {"a", ""}}), HasSubstr("cassandra.host"));
  EXPECT_THAT(refusal({.port = 0}), HasSubstr("cassandra.port"));
  for (const char* name : {"", "Upper", "1st", "with space", "quo\"te", "a-b"}) {
    EXPECT_THAT(refusal({.keyspace = name}), HasSubstr("cassandra.keyspace")) << name;
  }
  EXPECT_THAT(refusal({.keyspace = std::string(49, 'k')}), HasSubstr("48"));
  for (const char* name : {"", "QUORUM", "any", "each_quorum", "most"}) {
    EXPECT_THAT(refusal({.consistency = name}), HasSubstr("cassandra.consistency")) << name;
  }
  EXPECT_THAT(refusal({.ca_file = "ca.pem"}), HasSubstr("set cassandra.tls = true"));
  EXPECT_THAT(refusal({.cert_file = "cert.pem"}), HasSubstr("set cassandra.tls = true"));
  EXPECT_THAT(refusal({.key_file = "key.pem"}), HasSubstr("set cassandra.tls = true"));
  EXPECT_THAT(refusal({.tls_name = "db"}), HasSubstr("set cassandra.tls = true"));
  EXPECT_EQ(refusal({.tls = true, .ca_file = "ca.pem"}), "");
  EXPECT_THAT(refusal({.connect_timeout_ms = 0}), HasSubstr("connect_timeout_ms"));
  EXPECT_THAT(refusal({.request_timeout_ms = 0}), HasSubstr("request_timeout_ms"));
  EXPECT_THAT(refusal({.max_in_flight = 0}), HasSubstr("max_in_flight"));
}

}  // namespace
}  // namespace dataflow::cassandra
