#pragma once

#include <ctime>

namespace flatenn::engine {

/// Processor time this process has used, all threads together, in seconds.
inline double process_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace flatenn::engine
