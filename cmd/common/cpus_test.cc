// Goal: a process that may use fewer CPUs than the machine has knows it, whoever took them away.
#include "cmd/common/cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>
#include <string>
#include <thread>

#include "dataflow/mock/temp_dir.h"

namespace dataflow::cmd {
namespace {

namespace fs = std::filesystem;

cpu_set_t affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

// Runs in a thread of its own, whose affinity ends with it.
template <class Body>
void on_a_thread(Body body) {
  std::thread thread(body);
  thread.join();
}

// A kernel's files, as a group without limits has them.
class Cgroup : public ::testing::Test {
 protected:
  Cgroup() {
    write(files_.membership, "4:memory:/elsewhere\n0::/outer/inner\n");
    for (const char* const group : {"", "outer", "outer/inner"}) limit(group, "max 100000");
  }

  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void limit(const std::string& group, const std::string& quota) {
    write(files_.root / group / "cpu.max", quota + "\n");
  }

  const mock::TempDir folder_;
  const CgroupFiles files_{folder_ / "membership", folder_ / "root"};
};

TEST(UsableCpus, AreThoseThatTheThreadMayRunOn) {
  const cpu_set_t all = affinity();
  EXPECT_LE(usable_cpus(), static_cast<std::size_t>(CPU_COUNT(&all)));
  on_a_thread([&all] {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &all)) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
      EXPECT_EQ(usable_cpus(), 1U);
    }
  });
}

TEST_F(Cgroup, WithoutAQuotaTheAffinityCounts) {
  const cpu_set_t all = affinity();
  EXPECT_EQ(usable_cpus(files_), static_cast<std::size_t>(CPU_COUNT(&all)));
  EXPECT_EQ(usable_cpus({folder_ / "none", folder_ / "none"}),
            static_cast<std::size_t>(CPU_COUNT(&all)));
}

TEST_F(Cgroup, TheSmallestQuotaOnTheWayDownCountsRoundedUp) {
  const auto all = usable_cpus(files_);
  limit("outer/inner", "50000 100000");
  EXPECT_EQ(usable_cpus(files_), 1U);
  limit("outer/inner", "100001 100000");
  EXPECT_EQ(usable_cpus(files_), std::min<std::size_t>(all, 2));
  limit("outer/inner", "100000 100000");
  EXPECT_EQ(usable_cpus(files_), 1U);
  limit("outer/inner", "max 100000");
  limit("outer", "99999 100000");
  EXPECT_EQ(usable_cpus(files_), 1U);
  limit("outer", "6400000 100000");
  EXPECT_EQ(usable_cpus(files_), all) << "a quota does not add CPUs";
  limit("", "20000 100000");
  EXPECT_EQ(usable_cpus(files_), 1U);
}

TEST_F(Cgroup, WhatIsNoQuotaIsNone) {
  const auto all = usable_cpus(files_);
  for (const char* const text : {"", "0 100000", "100000", "100000 0", "-1 100000", "ten 100000"}) {
    limit("outer/inner", text);
    EXPECT_EQ(usable_cpus(files_), all) << text;
  }
}

// The membership may be the host's, where the container sees its own group as the root.
TEST_F(Cgroup, AGroupThatIsNotThereLeavesTheRoot) {
  write(files_.membership, "0::/kubepods/pod1/container2\n");
  limit("", "10000 100000");
  EXPECT_EQ(usable_cpus(files_), 1U);
}

}  // namespace
}  // namespace dataflow::cmd
