#pragma once

#include <cstdint>
#include <functional>

namespace flatenn::study {

enum class Step {
  kDone,
  kStopped,    ///< As it was asked to.
  kElsewhere,  ///< Another process is at it.
};

/// Attempts tasks 0 to `tasks` - 1 in turn, leaving out those that another process is at; looks at
/// these again, and waits where there is nothing else to do, until all are done. False where it was
/// asked to stop.
bool share_out(int64_t tasks, const std::function<Step(int64_t)>& attempt,
               const std::function<bool()>& stop_requested);

}  // namespace flatenn::study
