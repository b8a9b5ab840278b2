// Inflate: reads compressed objects as if they were not.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "dataflow/error.h"
#include "dataflow/fetch.h"

namespace dataflow::pipeline {

// The largest window that a .zst object may ask for, as a power of two: what it costs in memory
// while open.
inline constexpr int kMaxZstdWindowLog = 24;

// Whether the object's name ends in .gz or .zst, in any case, or its reader knows of a coding.
bool is_compressed(const Reader& reader, std::string_view name);

// The decompressed bytes of `reader`, judged by its coding and by the name: gzip or .gz (also
// several members, also with zeros behind the last one), zstd or .zst (also several frames); the
// case does not matter, anything else is returned as it is. Where coding and name say the same, the
// bytes are compressed once. Its read() gives kInvalid for a stream that is damaged, ends early or
// would become more than `max_bytes` (a few bytes can stand for as many as somebody likes): what
// was read before is then only a part of the object.
std::unique_ptr<Reader> inflate(
    std::unique_ptr<Reader> reader, std::string_view name,
    std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max());

}  // namespace dataflow::pipeline
