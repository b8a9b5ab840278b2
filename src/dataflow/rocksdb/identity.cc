#include "dataflow/rocksdb/identity.h"

#include <charconv>
#include <fstream>
#include <random>

namespace dataflow::rocksdb {

std::string boot_identity(const std::string& file) {
  std::ifstream source(file);
  std::string identity;
  std::getline(source, identity);
  // Not the process's number: the first process of each container is 1.
  if (identity.empty()) identity = "unknown-" + random_identity();
  return identity;
}

std::string random_identity() {
  std::random_device device;
  std::string identity;
  for (int i = 0; i < 4; ++i) {
    char digits[9] = {};
    const auto end = std::to_chars(digits, digits + 8, device() | 0x10000000u, 16).ptr;
    identity.append(digits, end);
  }
  return identity;
}

}  // namespace dataflow::rocksdb
