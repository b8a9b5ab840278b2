#include "cmd/common/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dataflow::cmd {
namespace {

namespace fs = std::filesystem;

// The kernel refuses a mask that is shorter than its own, whose length it does not tell.
constexpr std::size_t kMaxMasks = 64;  // of 1,024 CPUs each

std::size_t cpus_of_affinity() {
  for (std::size_t masks = 1; masks <= kMaxMasks; masks *= 2) {
    std::vector<cpu_set_t> set(masks);
    const std::size_t bytes = masks * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, set.data()) == 0) {
      return static_cast<std::size_t>(CPU_COUNT_S(bytes, set.data()));
    }
  }
  return std::thread::hardware_concurrency();
}

// The path of the process's group in the one hierarchy of version 2: the line "0::/the/path".
std::optional<fs::path> group_of(const fs::path& membership) {
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::/")) return fs::path(line.substr(4));
  }
  return std::nullopt;
}

// "QUOTA PERIOD" in microseconds, or "max PERIOD".
std::optional<std::size_t> cpus_of_quota(const fs::path& folder) {
  std::ifstream file(folder / "cpu.max");
  std::uint64_t quota = 0;
  std::uint64_t period = 0;
  if (!(file >> quota >> period) || quota == 0 || period == 0) return std::nullopt;
  return static_cast<std::size_t>((quota - 1) / period + 1);
}

}  // namespace

std::size_t usable_cpus(const CgroupFiles& files) {
  std::size_t cpus = std::max<std::size_t>(cpus_of_affinity(), 1);
  const auto group = group_of(files.membership);
  if (!group) return cpus;
  const auto stay_below = [&cpus](const fs::path& folder) {
    if (const auto quota = cpus_of_quota(folder)) cpus = std::min(cpus, *quota);
  };
  // In a container the path may be the host's and lead nowhere here: then the root counts alone.
  fs::path folder = files.root;
  stay_below(folder);
  for (const fs::path& name : *group) stay_below(folder /= name);
  return cpus;
}

}  // namespace dataflow::cmd
