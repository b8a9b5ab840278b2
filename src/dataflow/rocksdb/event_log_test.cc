// Goal: RocksDB's warnings are kept, bounded, and cost nothing but themselves where they cannot be.
#include "dataflow/rocksdb/event_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "dataflow/rocksdb/test_support.h"

namespace dataflow::rocksdb {
namespace {

namespace fs = std::filesystem;
using ::rocksdb::InfoLogLevel;
using testing::TempDir;

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(EventLog, KeepsWarningsALineEach) {
  const TempDir folder;
  const auto log = event_log(folder.path());
  ::rocksdb::Log(InfoLogLevel::INFO_LEVEL, log, "of no interest");
  ::rocksdb::Header(log, "all options");
  EXPECT_FALSE(fs::exists(folder / "LOG")) << "nothing has happened";
  ::rocksdb::Warn(log, "stall %d", 7);
  ::rocksdb::Error(log, "%s\n", "no space");
  const std::string text = content(folder / "LOG");
  EXPECT_NE(text.find("Z [WARN] stall 7\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("Z [ERROR] no space\n")) << text;
  EXPECT_EQ(text.find("\n\n"), std::string::npos) << text;
}

TEST(EventLog, CutsALongEvent) {
  const TempDir folder;
  ::rocksdb::Warn(event_log(folder.path()), "%s", std::string(1 << 20, 'x').c_str());
  const std::string text = content(folder / "LOG");
  EXPECT_GT(text.size(), 1000u);
  EXPECT_LT(text.size(), 4096u);
  EXPECT_TRUE(text.ends_with("x\n"));
}

TEST(EventLog, BeginsAnewWhenLarge) {
  const TempDir folder;
  const std::string large((1 << 20) + 1, 'x');
  std::ofstream(folder / "LOG") << large;
  ::rocksdb::Warn(event_log(folder.path()), "fresh");
  EXPECT_LT(content(folder / "LOG").size(), 100u);
  EXPECT_EQ(content(folder / "LOG.old"), large);
}

TEST(EventLog, LosesWhatItCannotWrite) {
  const TempDir folder;
  fs::create_symlink("/dev/full", folder / "LOG");
  const auto log = event_log(folder.path());
  for (int i = 0; i < 3; ++i) ::rocksdb::Warn(log, "the disk is full");
  ::rocksdb::Warn(event_log(folder / "is" + "/not/there"), "no folder");
}

}  // namespace
}  // namespace dataflow::rocksdb
