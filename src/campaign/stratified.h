#pragma once

#include <map>
#include <span>
#include <vector>

#include "flatenn/campaign/pilot.h"
#include "flatenn/campaign/results.h"
#include "flatenn/campaign/share.h"
#include "flatenn/campaign/stop_rule.h"

namespace flatenn::campaign {

/// The values of one stratum's trials, in trial order: two at least.
struct StratumValues {
  double weight = 0;
  std::vector<double> values;
};

/// Weighted mean over strata and the untouched maps (which all have the value `golden`), with an
/// interval at 95 %: the hull of Student's and Hall's, both of the estimator's own variance,
/// skewness and Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946). In each stratum
/// the standard deviation counts as `sd_floor` at least.
struct StratifiedMean {
  double mean = 0;
  Interval ci;
};
StratifiedMean stratified_mean(std::span<const StratumValues> strata, double untouched,
                               double golden, double sd_floor);

/// Share of maps with at least `wanted`, and its interval, put together from the strata's
/// Clopper-Pearson ones side by side (square-and-add).
struct StratifiedShare {
  double share = 0;
  Interval ci;
};
StratifiedShare stratified_share(std::span<const StratumValues> strata, double untouched,
                                 double golden, double wanted);

/// Values of trials 0, 1, ... by stratum; empty where not all strata have two values yet.
std::vector<StratumValues> by_stratum(const PilotCell& cell, std::span<const double> values);
/// The same of some trials, by their numbers.
std::vector<StratumValues> by_stratum(const PilotCell& cell,
                                      const std::map<int64_t, double>& values);

/// Of the fault-free pass, and so of every untouched map.
struct GoldenValues {
  double accuracy = 0;
  double loss = 0;  ///< Mean over the images.
};

/// The trials of a stratified cell that count, by rising number, and why there are no more.
struct CountedTrials {
  std::span<const store::TrialRow> rows;
  StopReason stop = StopReason::kRunning;
};
/// Trials 0, 1, ... as far as the rule uses them, of those that are stored (numbers rising).
CountedTrials count_prefix(std::span<const store::TrialRow> trials, const StopRule& rule);
/// All of a share's own trials: those of any share are a fair sample of each stratum.
CountedTrials count_share(std::span<const store::TrialRow> own, const Share& share, int64_t cell,
                          const StopRule& rule);

/// The statistics of a stratified cell. Without two trials of each stratum there is no estimate,
/// and only the strata are told.
CellResult analyse_stratified(const CountedTrials& trials, double sd_floor, const PilotCell& pilot,
                              const GoldenValues& golden, double yield_accuracy);

}  // namespace flatenn::campaign
