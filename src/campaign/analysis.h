#pragma once

#include <span>
#include <vector>

#include "campaign/cell_state.h"
#include "flatenn/campaign/results.h"

namespace flatenn::campaign {

/// The least accuracy that a tolerated drop leaves, for comparisons with >=: 0.92 must do for 0.93
/// - 0.01, whose double is larger.
double limit_of(double golden_accuracy, double tolerated_drop);

/// Whether Hall's interval is to be read instead of Student's: |skew| > 0.5, in a sample large
/// enough for its skewness to say something (docs/statistics.md).
bool is_skewed(const Summary& sample);
/// The level of that interval: it pays for the looks of a half-width rule.
double level_of_skewed(bool stopped_by_looking);
bool ended_by_looking(StopReason reason);

/// The statistics of one cell from its stored trials (trial numbers rising).
CellResult analyse_cell(const std::vector<store::TrialRow>& trials, const StopRule& rule,
                        const Estimator& estimator, double yield_accuracy, uint64_t seed);

/// Fills in what was tried and found; the stratum's description is there already.
void analyse_stratum(const std::vector<store::TrialRow>& trials, StratumResult& stratum);
/// The share over strata of one model and kind, all of them tried, weighted by their populations.
StratumResult stratum_total(std::span<const StratumResult> strata);
/// Appends that total for each model and kind whose strata have all been tried.
void add_stratum_totals(PlanResult& plan);

/// Every pair of models on the trials both have used, with Holm's correction over all of them.
std::vector<PairResult> compare_pairs(const PlanResult& plan);

std::vector<ToleranceResult> find_tolerances(const PlanResult& plan);

}  // namespace flatenn::campaign
