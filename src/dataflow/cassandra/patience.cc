#include "dataflow/cassandra/patience.h"

#include <algorithm>
#include <cstdint>
#include <random>

namespace dataflow::cassandra {

std::chrono::milliseconds retry_wait(const Options& options, int failures) {
  constexpr int kMostDoublings = 20;
  const std::uint64_t longest = std::min<std::uint64_t>(
      std::uint64_t{options.retry_wait_ms} << std::min(failures - 1, kMostDoublings),
      options.retry_wait_max_ms);
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<std::uint64_t> wait(longest / 2, longest);
  return std::chrono::milliseconds(wait(random));
}

}  // namespace dataflow::cassandra
