#pragma once

#include <cstdint>
#include <functional>

namespace flatenn {

/// The threads to use: `wanted`, or the machine's number of usable cores where `wanted` is 0.
/// Throws Error for negative numbers and beyond 1024.
int64_t resolve_threads(int64_t wanted);

/// Calls body(index) for every index in [0, count) on up to `threads` threads, the caller's among
/// them; indices are handed out in rising order. Returns when all have ended. The first exception
/// is rethrown here after the others have stopped taking work.
void parallel_for(int64_t count, int64_t threads, const std::function<void(int64_t)>& body);

}  // namespace flatenn
