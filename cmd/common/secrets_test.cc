// Goal: a password is read from the file that holds it, nothing of it gets into a message, and
// whoever leaves one open to everybody is told.
#include "cmd/common/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "cmd/common/config.h"
#include "dataflow/mock/temp_dir.h"

namespace dataflow::cmd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SecretsTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }

  const mock::TempDir folder_;
};

TEST_F(SecretsTest, TheFilesLineIsThePassword) {
  for (const char* text : {"hush hush", "hush hush\n", "hush hush\r\n"}) {
    EXPECT_EQ(read_secret_file("x.pass_file", file("p", text)).value_or(""), "hush hush");
  }
  EXPECT_EQ(read_secret_file("x", file("p", " a b \n")).value_or(""), " a b ");
  const std::string longest(kLongestSecret, 'x');
  EXPECT_EQ(read_secret_file("x", file("p", longest + "\r\n")).value_or(""), longest);
}

TEST_F(SecretsTest, WhatIsNoPasswordIsRefusedAndNotShown) {
  const auto refused = [](const std::string& path) {
    const auto read = read_secret_file("redis.pass_file", path);
    if (read) return std::string("(read)");
    EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(read.error().describe(), Not(HasSubstr("hush")));
    return read.error().describe();
  };
  EXPECT_THAT(refused("/no/such"),
              HasSubstr("redis.pass_file \"/no/such\" cannot be read: No such file"));
  EXPECT_THAT(refused(folder_.path()), HasSubstr("cannot be read: Is a directory"));
  EXPECT_THAT(refused(file("p", "")), HasSubstr("is empty"));
  EXPECT_THAT(refused(file("p", "\n")), HasSubstr("is empty"));
  EXPECT_THAT(refused(file("p", "hush\nhush\n")), HasSubstr("several lines"));
  EXPECT_THAT(refused(file("p", "hush\xff")), HasSubstr("not UTF-8"));
  EXPECT_THAT(refused(file("p", std::string(kLongestSecret + 1, 'x'))), HasSubstr("longer than"));
}

TEST_F(SecretsTest, OthersThanOwnerAndGroupAreAnExposure) {
  for (const mode_t closed : {0600, 0640, 0660, 0400, 0711}) {
    EXPECT_FALSE(exposure(file("p", "x", closed), "it holds a password")) << closed;
  }
  EXPECT_THAT(exposure(file("p", "x", 0644), "it holds a password").value_or(""),
              AllOf(HasSubstr("it holds a password, and everybody on this machine may read it"),
                    HasSubstr("chmod o-rwx " + folder_ / "p")));
  EXPECT_THAT(exposure(file("p", "x", 0602), "it holds a password").value_or(""),
              HasSubstr("may change it"));
  EXPECT_FALSE(exposure("/no/such", "it holds a password"));
}

TEST_F(SecretsTest, TheConfigurationReadsThePasswordFilesItNames) {
  const std::string cassandra = file("c", "one\n");
  const std::string redis = file("r", "two\n");
  const std::string text =
      "[cassandra]\npass_file = \"" + cassandra + "\"\n[redis]\npass_file = \"" + redis + "\"\n";
  const auto config = load_config(file("conf", text, 0644), {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->cassandra->pass, "one");
  EXPECT_EQ(config->redis->pass, "two");
  EXPECT_THAT(config->warnings, IsEmpty());
}

TEST_F(SecretsTest, TheEnvironmentWinsWhicheverWayItGivesThePassword) {
  const std::string secret = file("c", "from file");
  const Environment by_value{{"DATAFLOW_REDIS_PASS", "from variable"}};
  const Environment by_file{{"DATAFLOW_REDIS_PASS_FILE", secret}};
  const std::string names_file = "[redis]\npass_file = \"/no/such\"\n";
  EXPECT_EQ(parse_config(names_file, "x", by_value)->redis->pass, "from variable");
  EXPECT_EQ(parse_config("[redis]\npass = 'hush'\n", "x", by_file)->redis->pass, "from file");
  const auto both = parse_config("", "x", {*by_value.begin(), *by_file.begin()});
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error().message, HasSubstr("redis.pass_file and redis.pass: give one of them"));
  EXPECT_FALSE(parse_config("[redis]\npass = 'hush'\npass_file = 'x'\n", "x", {}));
}

TEST_F(SecretsTest, WhateverIsOpenToEverybodyIsNamed) {
  const std::string pass = file("pass", "hush\n", 0644);
  const std::string key = file("key", "hush\n", 0644);
  const std::string text = "[cassandra]\npass = \"hush\"\ntls = true\nkey_file = \"" + key +
                           "\"\n[redis]\npass_file = \"" + pass + "\"\n[http]\nkey_file = \"" +
                           key + "\"\n[s3]\nkey_file = \"" + key + "\"\n";
  const auto open = load_config(file("conf", text, 0644), {});
  ASSERT_TRUE(open);
  ASSERT_THAT(open->warnings, SizeIs(5));
  EXPECT_THAT(open->warnings[0], HasSubstr("the configuration holds a password"));
  for (const std::string& warning : open->warnings) EXPECT_THAT(warning, Not(HasSubstr("hush")));
  const auto closed = load_config(file("conf", text, 0640), {});
  ASSERT_TRUE(closed);
  EXPECT_THAT(closed->warnings, SizeIs(4));
  const auto without = load_config(file("conf", "[cassandra]\npass = ''\n", 0644), {});
  ASSERT_TRUE(without);
  EXPECT_THAT(without->warnings, IsEmpty());
}

TEST(ConfigMessages, WhatMayBeACredentialInAnAddressIsNotShown) {
  const auto url = parse_config("[s3]\nendpoint = \"ftp://me:hush@host\"\n", "x", {});
  ASSERT_FALSE(url);
  EXPECT_THAT(url.error().message, AllOf(HasSubstr("\"...@host\""), Not(HasSubstr("hush"))));
  const auto host = parse_config("", "x", {{"DATAFLOW_REDIS_ADDR", "redis://me:hush@host:1"}});
  ASSERT_FALSE(host);
  EXPECT_THAT(host.error().message, Not(HasSubstr("hush")));
}

TEST(ConfigMessages, TextOfTheEnvironmentIsUtf8) {
  const auto config = parse_config("", "x", {{"DATAFLOW_REDIS_PASS", "hush\xff"}});
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace dataflow::cmd
