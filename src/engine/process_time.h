#pragma once

#include <ctime>

namespace flatenn::engine {

inline double seconds_of_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Processor time this process has used, all threads together, in seconds.
inline double process_seconds() { return seconds_of_clock(CLOCK_PROCESS_CPUTIME_ID); }
/// The same of this thread.
inline double thread_seconds() { return seconds_of_clock(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace flatenn::engine
