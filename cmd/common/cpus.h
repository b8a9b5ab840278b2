// How many threads are worth starting: the CPUs that this process may use, not those of the
// machine.
#pragma once

#include <cstddef>
#include <filesystem>

namespace dataflow::cmd {

// Where the kernel tells a process its control group, and where the groups' limits are.
struct CgroupFiles {
  std::filesystem::path membership = "/proc/self/cgroup";
  std::filesystem::path root = "/sys/fs/cgroup";
};

// The CPUs that the calling thread may run on (sched_getaffinity(2): taskset, CPU sets), or fewer
// where a control group (v2) allows less CPU time: the quota of cpu.max by its period, rounded up,
// of the group and of all groups around it. At least 1. Reads files: to be asked once, at the
// start, by the main thread, whose affinity its threads will inherit.
std::size_t usable_cpus(const CgroupFiles& files = {});

}  // namespace dataflow::cmd
