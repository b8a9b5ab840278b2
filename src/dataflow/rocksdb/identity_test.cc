// Goal: sessions of one boot are known as such, and others never.
#include "dataflow/rocksdb/identity.h"

#include <gtest/gtest.h>

#include <fstream>

#include "dataflow/mock/temp_dir.h"

namespace dataflow::rocksdb {
namespace {

TEST(BootIdentity, IsTheSystems) {
  EXPECT_EQ(boot_identity(), boot_identity());
  const mock::TempDir dir;
  std::ofstream(dir / "boot_id") << "one boot\n";
  EXPECT_EQ(boot_identity(dir / "boot_id"), "one boot");
}

TEST(BootIdentity, WhereTheSystemTellsNoneEachIsAnother) {
  const mock::TempDir dir;
  std::ofstream(dir / "empty");
  const std::string first = boot_identity(dir / "none");
  EXPECT_FALSE(first.empty());
  EXPECT_NE(boot_identity(dir / "none"), first);
  EXPECT_NE(boot_identity(dir / "empty"), boot_identity(dir / "empty"));
}

}  // namespace
}  // namespace dataflow::rocksdb
