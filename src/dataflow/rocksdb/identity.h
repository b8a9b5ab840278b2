// What tells one database, and one start of the machine, from another.
#pragma once

#include <string>

namespace dataflow::rocksdb {

inline constexpr char kBootIdFile[] = "/proc/sys/kernel/random/boot_id";

// An identity of the running system that is another after each start of the machine. Where `file`
// cannot be read (a container, a unit with ProcSubset=pid) it is another with each call: no two
// sessions are known to have had one boot in common. Never empty.
std::string boot_identity(const std::string& file = kBootIdFile);

// Hexadecimal digits that nobody had before.
std::string random_identity();

}  // namespace dataflow::rocksdb
