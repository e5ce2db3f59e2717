#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace flatenn::campaign {

enum class StopReason {
  kRunning,    ///< More trials are wanted: interrupted, or another process is still at it.
  kTrials,     ///< The wanted number of trials is there.
  kHalfWidth,  ///< The interval is as narrow as wanted.
  kDecided,    ///< The interval lies on one side of the limit.
  kTimeLimit,  ///< The time was over first; not reproducible.
  kShare,      ///< A share of a campaign has run its part; joining the shares applies the rule.
};
std::string to_string(StopReason reason);

/// When a cell has enough trials. All limits look at the contiguous prefix of trials alone, at the
/// checkpoints n = 20, 30, 45, ... and at max_trials, so the n it settles on does not depend on the
/// order in which trials end, on threads or on interruptions.
struct StopRule {
  int64_t max_trials = 100;
  std::optional<double> half_width;  ///< Of the 95 % Student-t interval of the mean.
  /// An accuracy: the cell ends once the interval to read, at 99 %, lies above or below it.
  std::optional<double> limit;
  /// The standard deviation counts as at least this: one image's share. A few equal trials would
  /// otherwise look like certainty.
  double sd_floor = 0;

  struct Decision {
    StopReason reason = StopReason::kRunning;
    int64_t trials = 0;  ///< Trials that count: the n of the stop, or the prefix so far.
    int64_t wanted = 0;  ///< Trials to have before the next decision (= trials when stopped).
  };
  /// `prefix` holds the values of trials 0, 1, ... without a gap.
  Decision decide(std::span<const double> prefix) const;
};

/// The checkpoint after n trials: 20, then n + n / 2, rounded down.
int64_t next_checkpoint(int64_t trials);

}  // namespace flatenn::campaign
