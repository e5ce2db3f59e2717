#include <algorithm>
#include <cmath>

#include "campaign/analysis.h"

namespace flatenn::campaign {
namespace {

/// Beyond this |skew| a bootstrap interval stands beside Student's.
constexpr double kSkewed = 1;
/// Far below one image's share: 0.92 must pass for 0.93 - 0.01, whose double is larger.
constexpr double kRounding = 1e-9;

/// Mean over the used trials of a count, as a share of each trial's images.
template <typename Field>
double mean_share(std::span<const store::TrialRow> rows, Field field) {
  double sum = 0;
  for (const store::TrialRow& row : rows) {
    sum += static_cast<double>(field(row)) / static_cast<double>(row.images);
  }
  return rows.empty() ? 0 : sum / static_cast<double>(rows.size());
}

template <typename Field>
double mean_count(std::span<const store::TrialRow> rows, Field field) {
  double sum = 0;
  for (const store::TrialRow& row : rows) sum += static_cast<double>(field(row));
  return rows.empty() ? 0 : sum / static_cast<double>(rows.size());
}

void add_outcomes(std::span<const store::TrialRow> rows, CellResult& cell) {
  using Row = store::TrialRow;
  cell.mean_loss = mean_share(rows, [](const Row& row) { return row.loss; });
  cell.identical = mean_share(rows, [](const Row& row) { return row.identical; });
  cell.masked = mean_share(rows, [](const Row& row) { return row.masked; });
  cell.sdc1_right = mean_share(rows, [](const Row& row) { return row.sdc1_right; });
  cell.sdc1_wrong = mean_share(rows, [](const Row& row) { return row.sdc1_wrong; });
  cell.drawn = mean_count(rows, [](const Row& row) { return row.drawn; });
  cell.landed = mean_count(rows, [](const Row& row) { return row.landed; });
  if (!rows.empty()) cell.images = rows.front().images;
}

/// A mean accuracy lies in [0, 1], so what an interval holds beyond says nothing.
Interval cut_to_shares(const Interval& interval) {
  return {std::clamp(interval.low, 0.0, 1.0), std::clamp(interval.high, 0.0, 1.0)};
}

}  // namespace

double limit_of(double golden_accuracy, double tolerated_drop) {
  constexpr double kRounding = 1e-9;  // far below one image's share
  return golden_accuracy - tolerated_drop - kRounding;
}

bool is_skewed(const Summary& sample) {
  constexpr double kAskew = 0.5;
  // Of fewer trials the skewness says little; the coverage was simulated from here on
  // (stop_rule_test.cpp).
  constexpr int64_t kFewest = 20;
  return std::abs(sample.skew) > kAskew && sample.count >= kFewest;
}

bool ended_by_looking(StopReason reason) {
  return reason == StopReason::kHalfWidth || reason == StopReason::kDecided;
}

double level_of_skewed(bool stopped_by_looking) { return stopped_by_looking ? 0.97 : 0.95; }

CellResult analyse_cell(const std::vector<store::TrialRow>& trials, const StopRule& rule,
                        const Estimator& estimator, double yield_accuracy, uint64_t seed) {
  CellState state(rule, estimator);
  for (const store::TrialRow& row : trials) state.add(row);
  const StopRule::Decision& decision = state.decision();
  const auto used = static_cast<size_t>(decision.trials);
  CellResult cell;
  cell.stop = decision.reason;
  cell.surplus = static_cast<int64_t>(trials.size() - used);
  const auto values = state.prefix().first(used);
  cell.accuracies.assign(values.begin(), values.end());
  cell.accuracy = summarize(values);
  Summary floored = cell.accuracy;
  floored.sd = std::max(floored.sd, rule.sd_floor);
  cell.ci = student_interval(floored.mean, floored.sd, floored.count);
  if (floored.count >= 2) cell.ci = cut_to_shares(cell.ci);
  if (is_skewed(floored)) {
    const bool looked = ended_by_looking(cell.stop);
    cell.skew_ci = cut_to_shares(skew_interval(floored, level_of_skewed(looked)));
  }
  if (std::abs(cell.accuracy.skew) > kSkewed) {
    cell.bootstrap_ci = bootstrap_interval(values, seed);
  }
  const auto good = std::count_if(values.begin(), values.end(), [&](double value) {
    return value >= yield_accuracy - kRounding;
  });
  const auto count = static_cast<int64_t>(used);
  cell.yield = count == 0 ? 0 : static_cast<double>(good) / static_cast<double>(count);
  cell.yield_ci = clopper_pearson(good, count);
  add_outcomes(std::span(trials).first(used), cell);
  return cell;
}

void analyse_stratum(const std::vector<store::TrialRow>& trials, StratumResult& stratum) {
  stratum.tried = static_cast<int64_t>(trials.size());
  for (const store::TrialRow& row : trials) {
    stratum.critical += row.sdc1_right + row.sdc1_wrong > 0;
  }
  if (stratum.tried > 0) {
    stratum.share = static_cast<double>(stratum.critical) / static_cast<double>(stratum.tried);
  }
  stratum.mean_sdc1 = mean_share(std::span(trials), [](const store::TrialRow& row) {
    return row.sdc1_right + row.sdc1_wrong;
  });
  stratum.ci = stratum.tried == stratum.population
                   ? Interval{stratum.share, stratum.share}
                   : clopper_pearson(stratum.critical, stratum.tried);
}

}  // namespace flatenn::campaign
