// The limits of the Redis cache in one place.
#pragma once

#include <chrono>
#include <cstddef>

namespace dataflow::redis {

// Rows of one command or script. Redis serves nobody else meanwhile: 1,000 rows of a script are
// about 3 ms. A script passes two arguments a row to one call; Lua allows some 8,000.
inline constexpr std::size_t kRowsPerCommand = 1'000;
// Commands of one round trip, so that the response timeout is that of a bounded piece of work.
inline constexpr std::size_t kCommandsPerRoundTrip = 16;
// A round trip on a connection that turns out to be lost is made again on a new one.
inline constexpr int kAttempts = 2;
// One step of the removal of old entries, and the least time between two of them.
inline constexpr std::size_t kCleanKeysPerStep = 1'000;
inline constexpr std::chrono::milliseconds kCleanPause{5};

}  // namespace dataflow::redis
