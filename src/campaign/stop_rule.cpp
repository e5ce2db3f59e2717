#include "flatenn/campaign/stop_rule.h"

#include <algorithm>

#include "campaign/analysis.h"
#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {

std::string to_string(StopReason reason) {
  switch (reason) {
    case StopReason::kRunning:
      return "unfinished";
    case StopReason::kTrials:
      return "trials";
    case StopReason::kHalfWidth:
      return "half-width";
    case StopReason::kDecided:
      return "decided";
    case StopReason::kTimeLimit:
      return "time limit";
    case StopReason::kShare:
      return "share";
  }
  return "";
}

int64_t next_checkpoint(int64_t trials) {
  constexpr int64_t kFirst = 20;
  return trials < kFirst ? kFirst : trials + trials / 2;
}

namespace {

/// The level at which each of the looks may decide on which side of a limit the mean lies. Looks
/// and rates add up: tolerance_search_test.cpp simulates what is left of it.
constexpr double kDecidingLevel = 0.99;

bool is_decided(const Summary& sample, double limit) {
  const Interval interval =
      is_skewed(sample) ? skew_interval(sample, kDecidingLevel)
                        : student_interval(sample.mean, sample.sd, sample.count, kDecidingLevel);
  return interval.low >= limit || interval.high < limit;
}

}  // namespace

StopRule::Decision StopRule::decide(std::span<const double> prefix) const {
  const auto have = static_cast<int64_t>(prefix.size());
  if (!half_width && !limit) {
    const bool enough = have >= max_trials;
    return {.reason = enough ? StopReason::kTrials : StopReason::kRunning,
            .trials = std::min(have, max_trials),
            .wanted = max_trials};
  }
  for (int64_t n = 0;;) {
    n = std::min(next_checkpoint(n), max_trials);
    if (n > have) return {.reason = StopReason::kRunning, .trials = have, .wanted = n};
    Summary summary = summarize(prefix.first(static_cast<size_t>(n)));
    summary.sd = std::max(summary.sd, sd_floor);
    if (half_width && student_interval(summary.mean, summary.sd, n).half_width() <= *half_width) {
      return {.reason = StopReason::kHalfWidth, .trials = n, .wanted = n};
    }
    if (limit && is_decided(summary, *limit)) {
      return {.reason = StopReason::kDecided, .trials = n, .wanted = n};
    }
    if (n == max_trials) return {.reason = StopReason::kTrials, .trials = n, .wanted = n};
  }
}

}  // namespace flatenn::campaign
