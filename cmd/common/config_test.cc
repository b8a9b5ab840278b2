// Goal: every setting is read from file and environment, and whatever is wrong is refused with its
// place.
#include "cmd/common/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "cmd/common/settings.h"

namespace dataflow::cmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Config good(std::string_view text, const Environment& environment = {}) {
  auto config = parse_config(text, "test.conf", environment);
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : Config{};
}

std::string bad(std::string_view text, const Environment& environment = {}) {
  const auto config = parse_config(text, "test.conf", environment);
  if (config) return "(accepted)";
  EXPECT_EQ(config.error().code, ErrorCode::kInvalid);
  return config.error().message;
}

TEST(Config, NothingGivenIsEmbeddedWithDefaults) {
  const Config config = good("");
  EXPECT_FALSE(config.cassandra);
  EXPECT_FALSE(config.redis);
  EXPECT_EQ(config.rocksdb.path, "dataflow.db");
  EXPECT_EQ(config.http.listen, "127.0.0.1:8080");
  EXPECT_EQ(config.pipeline.max_errors, 1'000U);
}

TEST(Config, ASectionIsPresentWhenNamedEvenIfEmpty) {
  EXPECT_TRUE(good("[cassandra]").cassandra);
  EXPECT_FALSE(good("[cassandra]").redis);
  EXPECT_TRUE(good("[redis]\n").redis);
}

TEST(Config, EveryCassandraAndRedisKey) {
  const Config config = good(R"(
[cassandra]
host = ["a", "b:9043", "[::1]:9042"]
port = 1
keyspace = "k_2"
user = "u"
pass = "p\"w"
consistency = "LOCAL_QUORUM"
connect_timeout_ms = 2
request_timeout_ms = 3
retry_timeout_ms = 0
max_in_flight = 4
datacenter = "dc"
[redis]
addr = "r:1"
user = "ru"
pass = "rp"
db = 7
connect_timeout_ms = 8
response_timeout_ms = 9
reconnect_pause_ms = 10
)");
  ASSERT_TRUE(config.cassandra);
  EXPECT_THAT(config.cassandra->hosts, ElementsAre("a", "b:9043", "[::1]:9042"));
  EXPECT_EQ(config.cassandra->port, 1);
  EXPECT_EQ(config.cassandra->keyspace, "k_2");
  EXPECT_EQ(config.cassandra->user, "u");
  EXPECT_EQ(config.cassandra->pass, "p\"w");
  EXPECT_EQ(config.cassandra->consistency, "local_quorum");
  EXPECT_EQ(config.cassandra->connect_timeout_ms, 2U);
  EXPECT_EQ(config.cassandra->request_timeout_ms, 3U);
  EXPECT_EQ(config.cassandra->retry_timeout_ms, 0U);
  EXPECT_EQ(config.cassandra->max_in_flight, 4U);
  EXPECT_EQ(config.cassandra->datacenter, "dc");
  ASSERT_TRUE(config.redis);
  EXPECT_EQ(config.redis->addr, "r:1");
  EXPECT_EQ(config.redis->user, "ru");
  EXPECT_EQ(config.redis->pass, "rp");
  EXPECT_EQ(config.redis->db, 7U);
  EXPECT_EQ(config.redis->connect_timeout_ms, 8U);
  EXPECT_EQ(config.redis->response_timeout_ms, 9U);
  EXPECT_EQ(config.redis->reconnect_pause_ms, 10U);
}

TEST(Config, EveryKeyOfTheEmbeddedStoreAndOfS3) {
  const Config config = good(R"(
rocksdb = { path = "/x/y", sync = true, write_buffer_bytes = 2_000_000, block_cache_bytes = 3_000_000, service_cache_bytes = 4_000_000 }
[s3]
bucket = "b"
region = "r"
endpoint = "http://127.0.0.1:9000"
connect_timeout_ms = 1
request_timeout_ms = 2
retries = 3
retry_timeout_ms = 4
part_bytes = 65536
parts_per_object = 5
max_buffered_bytes = 2_000_000
)");
  EXPECT_EQ(config.rocksdb.path, "/x/y");
  EXPECT_TRUE(config.rocksdb.sync);
  EXPECT_EQ(config.rocksdb.write_buffer_bytes, 2'000'000U);
  EXPECT_EQ(config.rocksdb.block_cache_bytes, 3'000'000U);
  EXPECT_EQ(config.rocksdb.service_cache_bytes, 4'000'000U);
  EXPECT_EQ(config.s3.bucket, "b");
  EXPECT_EQ(config.s3.region, "r");
  EXPECT_EQ(config.s3.endpoint, "http://127.0.0.1:9000");
  EXPECT_EQ(config.s3.connect_timeout_ms, 1U);
  EXPECT_EQ(config.s3.request_timeout_ms, 2U);
  EXPECT_EQ(config.s3.retries, 3U);
  EXPECT_EQ(config.s3.retry_timeout_ms, 4U);
  EXPECT_EQ(config.s3.part_bytes, 65'536U);
  EXPECT_EQ(config.s3.parts_per_object, 5U);
  EXPECT_EQ(config.s3.max_buffered_bytes, 2'000'000U);
}

TEST(Config, EveryHttpKey) {
  const Config config = good(R"(
[http]
listen = "[::1]:0"
cert_file = "c.pem"
key_file = "k.pem"
access_log = false
handshake_timeout_ms = 11
threads = 1
max_connections = 2
max_header_bytes = 300
max_target_bytes = 40
max_body_bytes = 5
header_timeout_ms = 6
idle_timeout_ms = 7
request_timeout_ms = 8
write_timeout_ms = 9
drain_timeout_ms = 10
)");
  EXPECT_EQ(config.http.listen, "[::1]:0");
  EXPECT_EQ(config.http.cert_file, "c.pem");
  EXPECT_EQ(config.http.key_file, "k.pem");
  EXPECT_EQ(config.http.handshake_timeout_ms, 11U);
  EXPECT_FALSE(config.http.access_log);
  EXPECT_EQ(config.http.threads, 1U);
  EXPECT_EQ(config.http.max_connections, 2U);
  EXPECT_EQ(config.http.max_header_bytes, 300U);
  EXPECT_EQ(config.http.max_target_bytes, 40U);
  EXPECT_EQ(config.http.max_body_bytes, 5U);
  EXPECT_EQ(config.http.header_timeout_ms, 6U);
  EXPECT_EQ(config.http.idle_timeout_ms, 7U);
  EXPECT_EQ(config.http.request_timeout_ms, 8U);
  EXPECT_EQ(config.http.write_timeout_ms, 9U);
  EXPECT_EQ(config.http.drain_timeout_ms, 10U);
}

// A value that is right for the setting and not its default, as TOML and as a variable.
std::pair<std::string, std::string> another_value(const Setting& setting, const Config& defaults) {
  std::vector<std::string> candidates;
  switch (setting.kind) {
    case Kind::kBool:
      candidates = {"true", "false"};
      break;
    case Kind::kNumber:
      for (std::uint64_t n = 1; n < (std::uint64_t{1} << 40); n *= 2) {
        candidates.push_back(std::to_string(n));
      }
      break;
    case Kind::kText:
    case Kind::kTextList:
      // The last is a file of one line that is everywhere: one that holds a password has to exist.
      candidates = {"other", "one", "http://other", "other:1", "/proc/self/comm"};
  }
  const bool is_text = setting.kind == Kind::kText || setting.kind == Kind::kTextList;
  for (const std::string& candidate : candidates) {
    const std::string toml = is_text ? "\"" + candidate + "\"" : candidate;
    if (toml == setting.show(defaults)) continue;
    const std::string text =
        "[" + std::string(setting.section) + "]\n" + std::string(setting.key) + " = " + toml + "\n";
    if (parse_config(text, "x", {})) return {toml, candidate};
  }
  ADD_FAILURE() << "no other value found for " << setting.key;
  return {};
}

TEST(Config, EverySettingIsReadFromTheFileAndItsVariableWins) {
  Config defaults;
  for (const Section& section : sections()) section.enable(defaults);
  for (const Setting& setting : settings()) {
    SCOPED_TRACE(setting.variable());
    const auto [toml, plain] = another_value(setting, defaults);
    const std::string header = "[" + std::string(setting.section) + "]\n";
    const std::string key = std::string(setting.key) + " = ";
    EXPECT_EQ(setting.show(good(header + key + toml)), toml);
    EXPECT_EQ(setting.show(good("", {{setting.variable(), plain}})), toml);
    const std::string as_default = header + key + setting.show(defaults);
    EXPECT_EQ(setting.show(good(as_default, {{setting.variable(), plain}})), toml);
    EXPECT_EQ(setting.show(good(as_default, {{setting.variable(), ""}})), setting.show(defaults));
    for (const auto other : setting.other_variables) {
      EXPECT_EQ(setting.show(good("", {{std::string(other), plain}})), toml) << other;
    }
  }
}

TEST(Config, EverySettingRefusesAWrongTypeInFileAndEnvironment) {
  for (const Setting& setting : settings()) {
    const std::string text =
        "[" + std::string(setting.section) + "]\n" + std::string(setting.key) + " = 1979-05-27\n";
    const std::string name = std::string(setting.section) + "." + std::string(setting.key);
    EXPECT_THAT(bad(text), HasSubstr("test.conf:2:"));
    EXPECT_THAT(bad(text), HasSubstr(": " + name + ": expected " + setting.expected + ", found "));
    const bool takes_any_text =
        setting.kind == Kind::kText &&
        (setting.expected == "text" || setting.expected.starts_with("the path of "));
    if (takes_any_text) continue;
    EXPECT_THAT(
        bad("", {{setting.variable(), "@no such thing"}}),
        HasSubstr(setting.variable() + ": expected " + setting.expected + ", found \"...@no "));
  }
}

TEST(Config, NumbersStayInTheirRange) {
  for (const std::string_view wrong : {"0", "65536", "-1", "9223372036854775807"}) {
    EXPECT_THAT(bad("[cassandra]\nport = " + std::string(wrong)),
                HasSubstr("expected a whole number from 1 to 65535, found " + std::string(wrong)));
  }
  EXPECT_THAT(bad("[cassandra]\nport = 1.5"), HasSubstr("found a number with a fraction"));
  EXPECT_THAT(bad("", {{"DATAFLOW_CASSANDRA_PORT", "9042 "}}), HasSubstr("found \"9042 \""));
  EXPECT_THAT(bad("", {{"DATAFLOW_CASSANDRA_PORT", "18446744073709551617"}}),
              HasSubstr("expected"));
}

TEST(Config, UnknownNamesAreRefusedWithTheNearestOne) {
  EXPECT_EQ(bad("[casandra]\nhost = 'x'"),
            "test.conf:1:2: casandra: expected a section of this program, found an unknown one; "
            "did you mean cassandra?");
  EXPECT_EQ(bad("\n[redis]\n  adr = 'x'"),
            "test.conf:3:3: redis.adr: expected a key of [redis], found an unknown one; did you "
            "mean addr?");
  EXPECT_THAT(bad("[redis]\nzzzzz = 1"), Not(HasSubstr("did you mean")));
  EXPECT_THAT(bad("port = 1"), HasSubstr("expected a section before the first key, found a key"));
  EXPECT_THAT(bad("redis = 1"), HasSubstr("expected a section [redis], found 1"));
  EXPECT_THAT(bad("[[redis]]"), HasSubstr("expected a section [redis], found a list"));
}

TEST(Config, UnknownVariablesAreRefusedWhereTheyMayBeMeantForUs) {
  EXPECT_EQ(bad("", {{"DATAFLOW_CASANDRA_HOST", "x"}}),
            "DATAFLOW_CASANDRA_HOST: expected a variable of a setting, found an unknown one; did "
            "you mean DATAFLOW_CASSANDRA_HOST?");
  EXPECT_THAT(bad("", {{"DATAFLOW_HTTP_COLOUR", "x"}}), HasSubstr("DATAFLOW_HTTP_COLOUR"));
  good("", {{"DATAFLOW_SOMETHING_ELSE", "x"}, {"PATH", "/bin"}, {"DATAFLOW_HTTP_COLOUR", ""}});
}

TEST(Config, TextIsCheckedWhereItHasAForm) {
  for (const std::string_view wrong :
       {"''", "'a,b'", "'a b'", "'a:'", "'a:0'", "'a:99999'", "'::1'", "['a', '']", "[]", "[1]"}) {
    EXPECT_THAT(bad("[cassandra]\nhost = " + std::string(wrong)),
                HasSubstr("expected \"host\" or \"host:port\", or a list of them, found "))
        << wrong;
  }
  for (const std::string_view wrong : {"''", "'A'", "'1a'", "'a-b'", "'a;drop'"}) {
    EXPECT_THAT(bad("[cassandra]\nkeyspace = " + std::string(wrong)), HasSubstr("lower-case"));
  }
  EXPECT_THAT(bad("[cassandra]\nkeyspace = '" + std::string(49, 'a') + "'"),
              HasSubstr("at most 48"));
  EXPECT_THAT(bad("[cassandra]\nconsistency = 'most'"), HasSubstr("local_one, found \"most\""));
  for (const std::string_view wrong : {"''", "'r'", "'r:'", "':6379'", "'r:0'", "'r:x'"}) {
    EXPECT_THAT(bad("[redis]\naddr = " + std::string(wrong)), HasSubstr("expected \"host:port\""));
  }
  for (const std::string_view wrong : {"''", "'8080'", "'h:'", "'h:65536'", "'::1:80'", "'[]:1'"}) {
    EXPECT_THAT(bad("[http]\nlisten = " + std::string(wrong)), HasSubstr("expected \"host:port\""));
  }
  EXPECT_THAT(bad("[s3]\nendpoint = 'ftp://x'"), HasSubstr("expected an http:// or https:// URL"));
  EXPECT_THAT(bad("[rocksdb]\npath = ''"), HasSubstr("expected the path of a folder"));
}

TEST(Config, SecretsAreNotShown) {
  const std::string number = bad("[cassandra]\npass = 4711\n[redis]\npass = ['geheim']");
  EXPECT_THAT(number, HasSubstr("cassandra.pass: expected text, found"));
  EXPECT_THAT(number, HasSubstr("redis.pass: expected text, found"));
  EXPECT_THAT(number, Not(HasSubstr("4711")));
  EXPECT_THAT(number, Not(HasSubstr("geheim")));
}

TEST(Config, SecretsThatAreNoTomlAreNotShown) {
  for (const char* secret :
       {"12345678901234567890", "0xDEADBEEFDEADBEEFDEADBEEF", "trustno1", "'a' b"}) {
    const std::string told = bad(std::string("[cassandra]\nport = 1\npass = ") + secret);
    EXPECT_THAT(told, HasSubstr("test.conf:3:"));
    EXPECT_THAT(told, HasSubstr("not TOML: expected text in quotes"));
    EXPECT_THAT(told, Not(HasSubstr(std::string(secret).substr(0, 4)))) << told;
  }
}

TEST(Config, BrokenTomlIsPlaced) {
  EXPECT_THAT(bad("[redis]\naddr = 'x"), HasSubstr("test.conf:2:"));
  EXPECT_THAT(bad("[redis]\ndb = 1\ndb = 2"), HasSubstr("test.conf:3:"));
  EXPECT_THAT(bad("[redis\n"), HasSubstr("test.conf:1:"));
  EXPECT_THAT(bad("\xff\xfe"), HasSubstr("not TOML"));
}

TEST(Config, AllProblemsAreShownInTheFilesOrder) {
  EXPECT_EQ(bad("[redis]\nxy = 1\ndb = -1", {{"DATAFLOW_REDIS_ADDR", "r"}}),
            "test.conf:2:1: redis.xy: expected a key of [redis], found an unknown one\n"
            "test.conf:3:6: redis.db: expected a whole number from 0 to 65535, found -1\n"
            "DATAFLOW_REDIS_ADDR: expected \"host:port\", found \"r\"");
}

TEST(Config, VariablesMakeASectionPresentAndListsHaveCommas) {
  const Config config = good("", {{"DATAFLOW_CASSANDRA_HOST", "a, b:1"}});
  ASSERT_TRUE(config.cassandra);
  EXPECT_THAT(config.cassandra->hosts, ElementsAre("a", "b:1"));
  EXPECT_FALSE(config.redis);
  EXPECT_FALSE(good("", {{"DATAFLOW_CASSANDRA_HOST", ""}}).cassandra);
  EXPECT_FALSE(good("", {{"AWS_S3_BUCKET", "b"}}).cassandra);
}

TEST(Config, OurOwnVariableWinsOverTheSharedOnes) {
  const Config config =
      good("[s3]\nendpoint = 'http://file'", {{"AWS_ENDPOINT_URL", "http://all"},
                                              {"AWS_ENDPOINT_URL_S3", "http://s3"},
                                              {"AWS_S3_BUCKET", "theirs"},
                                              {"DATAFLOW_S3_BUCKET", "ours"}});
  EXPECT_EQ(config.s3.endpoint, "http://s3");
  EXPECT_EQ(config.s3.bucket, "ours");
}

std::string temporary_file(std::string_view text) {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/dataflow_config_XXXXXX";
  const int descriptor = mkstemp(path.data());
  EXPECT_GE(descriptor, 0);
  close(descriptor);
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(Config, FilesAreReadAndMissingOnesRefused) {
  const std::string path = temporary_file("[redis]\nxy = 1");
  const auto wrong = load_config(path, {});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr(path + ":2:1: redis.xy"));
  std::ofstream(path) << "[redis]\n";
  EXPECT_TRUE(load_config(path, {}).value_or(Config{}).redis);
  std::ofstream(path) << std::string((1 << 20) + 1, '\n');
  EXPECT_THAT(load_config(path, {}).error().message, HasSubstr("larger than 1 MiB"));
  std::filesystem::remove(path);
  EXPECT_THAT(load_config(path, {}).error().message,
              HasSubstr(path + ": cannot be read: No such file or directory"));
  EXPECT_THAT(load_config("/", {}).error().message, HasSubstr("cannot be read: Is a directory"));
  EXPECT_TRUE(load_config("", {}));
}

TEST(Config, ProcessEnvironmentIsThisProcesss) {
  ASSERT_EQ(setenv("DATAFLOW_TEST_VARIABLE", "a=b", 1), 0);
  EXPECT_EQ(process_environment()["DATAFLOW_TEST_VARIABLE"], "a=b");
  unsetenv("DATAFLOW_TEST_VARIABLE");
}

// Where toml++ would assert, or take for impossible, what a user may write.
TEST(Config, WhatIsNoTomlIsRefused) {
  for (const std::string text :
       {"[!x]\n", "[\x04x]\n", "[[=]]\n", "a.\n", "[", "a = {!}\n", "a = [!]",
        "gr\u00f6\u00dfe = 1\n", "[\u00e4]\n", "a = \u00e4\n", "\u035c"}) {
    const auto config = parse_config(text, "x.conf", {});
    ASSERT_FALSE(config) << text;
    EXPECT_TRUE(config.error().message.starts_with("x.conf:1:")) << config.error().message;
  }
}

TEST(ExampleConfig, IsTheFileInTheRepositoryAndValid) {
  std::ifstream file(DATAFLOW_EXAMPLE_CONFIG, std::ios::binary);
  const std::string shipped((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(shipped, example_config())
      << "write it anew: build/release/microservice -help-config > dataflow.conf";
  const Config config = good(shipped);
  ASSERT_TRUE(config.cassandra);
  ASSERT_TRUE(config.redis);
  EXPECT_THAT(config.cassandra->hosts, ElementsAre("127.0.0.1"));
  EXPECT_EQ(config.redis->addr, "127.0.0.1:6379");
}

// Uncommenting every default must change nothing.
TEST(ExampleConfig, ShowsTheTrueDefaults) {
  std::string text = example_config();
  for (const Setting& setting : settings()) {
    const std::string hidden = "\n# " + std::string(setting.key) + " = ";
    for (auto at = text.find(hidden); at != std::string::npos; at = text.find(hidden)) {
      text.erase(at + 1, 2);
    }
  }
  const Config config = good(text);
  Config defaults;
  for (const Section& section : sections()) section.enable(defaults);
  for (const Setting& setting : settings()) {
    EXPECT_EQ(setting.show(config), setting.show(defaults)) << setting.variable();
    EXPECT_THAT(text, HasSubstr("\n" + std::string(setting.key) + " = " + setting.show(defaults)));
    EXPECT_THAT(text, HasSubstr("(" + setting.variable()));
  }
}

}  // namespace
}  // namespace dataflow::cmd
