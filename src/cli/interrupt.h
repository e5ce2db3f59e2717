#pragma once

#include <atomic>

namespace flatenn::cli {

/// Exit code of a command that Ctrl-C ended after it saved its work.
constexpr int kInterruptedExitCode = 130;

/// While one lives, the first Ctrl-C (SIGINT) or SIGTERM only sets a flag that the command looks at
/// between two pieces of work; a second one ends the program at once.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;
  /// The flag itself, for work that runs in other threads.
  const std::atomic<bool>& flag() const;
};

}  // namespace flatenn::cli
