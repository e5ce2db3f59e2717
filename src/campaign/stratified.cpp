#include "campaign/stratified.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "campaign/analysis.h"
#include "campaign/distributions.h"
#include "campaign/map_strata.h"

namespace flatenn::campaign {
namespace {

/// Far below one image's share, as in other cells.
constexpr double kYieldRounding = 1e-9;
constexpr double kStratifiedConfidence = 0.95;

Interval within_shares(const Interval& interval) {
  return {std::clamp(interval.low, 0.0, 1.0), std::clamp(interval.high, 0.0, 1.0)};
}

/// Unbiased third central moment; 0 for fewer than three values.
double third_moment(const Summary& sample) {
  if (sample.count < 3) return 0;
  const auto n = static_cast<double>(sample.count);
  const double squares = sample.sd * sample.sd * (n - 1) / n;
  return sample.skew * std::pow(squares, 1.5) * n * n / ((n - 1) * (n - 2));
}

/// Second and third central moment of the estimator, and its degrees of freedom.
struct StratifiedMoments {
  double variance = 0, third = 0, degrees = 0;
};

StratifiedMoments moments_of(std::span<const StratumValues> strata, double sd_floor) {
  StratifiedMoments sum;
  double fourth = 0;
  for (const StratumValues& stratum : strata) {
    const Summary sample = summarize(stratum.values);
    const auto n = static_cast<double>(sample.count);
    const double sd = std::max(sample.sd, sd_floor);
    const double variance = stratum.weight * stratum.weight * sd * sd / n;
    sum.variance += variance;
    sum.third += std::pow(stratum.weight, 3) * third_moment(sample) / (n * n);
    fourth += variance * variance / (n - 1);
  }
  if (fourth > 0) sum.degrees = sum.variance * sum.variance / fourth;
  return sum;
}

/// What statistics.h has as Hall's transformation, with `skew` that of the mean itself.
double transformed(double t, double skew) {
  if (std::abs(skew) < 1e-12) return t;
  return 3 / skew * (std::cbrt(1 + skew * (t - skew / 6)) - 1);
}

/// A value of every used trial, with the share of all maps that it stands for; rising.
struct Weighted {
  double value = 0;
  double weight = 0;
};

std::vector<Weighted> weighted_values(std::span<const StratumValues> strata, double untouched,
                                      double golden) {
  std::vector<Weighted> all{{golden, untouched}};
  for (const StratumValues& stratum : strata) {
    const double weight = stratum.weight / static_cast<double>(stratum.values.size());
    for (const double value : stratum.values) all.push_back({value, weight});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
  return all;
}

/// The least value that at least a share q of all maps do not exceed.
double quantile_of(const std::vector<Weighted>& rising, double q) {
  double sum = 0;
  for (const Weighted& one : rising) {
    sum += one.weight;
    if (sum >= q) return one.value;
  }
  return rising.back().value;
}

/// Describes all maps; `count` is the number of trials.
Summary describe(std::span<const StratumValues> strata, double untouched, double golden,
                 double mean) {
  const std::vector<Weighted> rising = weighted_values(strata, untouched, golden);
  Summary summary;
  summary.count = std::ssize(rising) - 1;
  summary.mean = mean;
  summary.median = quantile_of(rising, 0.5);
  summary.p5 = quantile_of(rising, 0.05);
  summary.min = rising.front().value;
  double squares = 0, cubes = 0;
  for (const Weighted& one : rising) {
    const double d = one.value - mean;
    squares += one.weight * d * d;
    cubes += one.weight * d * d * d;
  }
  summary.sd = std::sqrt(squares);
  if (squares > 0) summary.skew = cubes / std::pow(squares, 1.5);
  return summary;
}

int64_t count_good(const StratumValues& stratum, double wanted) {
  return std::count_if(stratum.values.begin(), stratum.values.end(),
                       [&](double value) { return value >= wanted - kYieldRounding; });
}

/// The outcomes of images, weighted as accuracies are.
class Outcomes {
 public:
  Outcomes(std::span<const store::TrialRow> rows, const PilotCell& pilot)
      : rows_(rows), untouched_(pilot.untouched) {
    std::vector<int64_t> trials;
    for (const PilotStratum& stratum : pilot.strata) trials.push_back(stratum.trials);
    order_ = stratum_order(trials);
    std::vector<int64_t> used(trials.size());
    for (const store::TrialRow& row : rows) used[stratum_of(row)] += 1;
    for (size_t i = 0; i < trials.size(); ++i) {
      weights_.push_back(pilot.strata[i].weight / static_cast<double>(used[i]));
    }
  }

  /// `of_untouched`: what a map that changes nothing has.
  template <typename Value>
  double mean(double of_untouched, Value value) const {
    double sum = untouched_ * of_untouched;
    for (const store::TrialRow& row : rows_) sum += weights_[stratum_of(row)] * value(row);
    return sum;
  }

 private:
  size_t stratum_of(const store::TrialRow& row) const {
    return static_cast<size_t>(order_[static_cast<size_t>(row.trial)]);
  }

  std::span<const store::TrialRow> rows_;
  double untouched_;
  std::vector<int32_t> order_;
  std::vector<double> weights_;
};

void add_outcomes(std::span<const store::TrialRow> rows, const PilotCell& pilot,
                  const GoldenValues& golden, CellResult& cell) {
  using Row = store::TrialRow;
  const Outcomes outcomes(rows, pilot);
  const auto share = [&](double of_untouched, auto field) {
    return outcomes.mean(of_untouched, [&](const Row& row) {
      return static_cast<double>(field(row)) / static_cast<double>(row.images);
    });
  };
  cell.mean_loss = share(golden.loss, [](const Row& row) { return row.loss; });
  cell.identical = share(1, [](const Row& row) { return row.identical; });
  cell.masked = share(0, [](const Row& row) { return row.masked; });
  cell.sdc1_right = share(0, [](const Row& row) { return row.sdc1_right; });
  cell.sdc1_wrong = share(0, [](const Row& row) { return row.sdc1_wrong; });
  cell.drawn = outcomes.mean(pilot.untouched_faults,
                             [](const Row& row) { return static_cast<double>(row.drawn); });
  cell.landed = outcomes.mean(0, [](const Row& row) { return static_cast<double>(row.landed); });
}

/// Values by number, in the strata that their numbers say.
std::vector<StratumValues> group(const PilotCell& cell, const std::map<int64_t, double>& values) {
  std::vector<int64_t> trials;
  std::vector<StratumValues> strata;
  for (const PilotStratum& stratum : cell.strata) {
    trials.push_back(stratum.trials);
    strata.push_back({.weight = stratum.weight, .values = {}});
  }
  const std::vector<int32_t> order = stratum_order(trials);
  for (const auto& [trial, value] : values) {
    strata[static_cast<size_t>(order[static_cast<size_t>(trial)])].values.push_back(value);
  }
  return strata;
}

/// What each stratum's own trials say.
std::vector<MapStratumResult> told_strata(const PilotCell& pilot,
                                          std::span<const StratumValues> strata,
                                          double yield_accuracy) {
  std::vector<MapStratumResult> told;
  for (size_t i = 0; i < strata.size(); ++i) {
    const Summary own = summarize(strata[i].values);
    const auto good = static_cast<double>(count_good(strata[i], yield_accuracy));
    told.push_back({.name = pilot.strata[i].name,
                    .bits = pilot.strata[i].bits,
                    .weight = pilot.strata[i].weight,
                    .trials = own.count,
                    .mean = own.mean,
                    .sd = own.sd,
                    .yield = own.count > 0 ? good / static_cast<double>(own.count) : 0});
  }
  return told;
}

}  // namespace

StratifiedMean stratified_mean(std::span<const StratumValues> strata, double untouched,
                               double golden, double sd_floor) {
  StratifiedMean result{.mean = untouched * golden};
  for (const StratumValues& stratum : strata) {
    result.mean += stratum.weight * summarize(stratum.values).mean;
  }
  const StratifiedMoments moments = moments_of(strata, sd_floor);
  result.ci = {result.mean, result.mean};
  if (moments.variance <= 0) return result;
  const double step = std::sqrt(moments.variance);
  const double skew = moments.third / (moments.variance * step);
  const double t = student_quantile(1 - (1 - kStratifiedConfidence) / 2, moments.degrees);
  result.ci = within_shares({result.mean - step * std::max(t, transformed(t, skew)),
                             result.mean + step * std::max(t, -transformed(-t, skew))});
  return result;
}

StratifiedShare stratified_share(std::span<const StratumValues> strata, double untouched,
                                 double golden, double wanted) {
  double missing = golden >= wanted - kYieldRounding ? 0 : untouched;
  StratifiedShare result;
  double below = 0, above = 0;
  for (const StratumValues& stratum : strata) {
    const int64_t good = count_good(stratum, wanted);
    const auto count = std::ssize(stratum.values);
    const double share = static_cast<double>(good) / static_cast<double>(count);
    const Interval own = clopper_pearson(good, count);
    missing += stratum.weight * (1 - share);
    below += std::pow(stratum.weight * (share - own.low), 2);
    above += std::pow(stratum.weight * (own.high - share), 2);
  }
  result.share = std::max(1 - missing, 0.0);  // so that no bad map gives exactly 1
  result.ci = within_shares({result.share - std::sqrt(below), result.share + std::sqrt(above)});
  return result;
}

std::vector<StratumValues> by_stratum(const PilotCell& cell,
                                      const std::map<int64_t, double>& values) {
  std::vector<StratumValues> strata = group(cell, values);
  const bool enough = std::all_of(strata.begin(), strata.end(), [](const StratumValues& stratum) {
    return stratum.values.size() >= 2;
  });
  return enough ? strata : std::vector<StratumValues>();
}

std::vector<StratumValues> by_stratum(const PilotCell& cell, std::span<const double> values) {
  std::map<int64_t, double> by_trial;
  for (const double value : values) by_trial.emplace_hint(by_trial.end(), by_trial.size(), value);
  return by_stratum(cell, by_trial);
}

CountedTrials count_prefix(std::span<const store::TrialRow> trials, const StopRule& rule) {
  CellState state(rule, {.control = 0, .golden_accuracy = 0});
  for (const store::TrialRow& row : trials) state.add(row);
  const StopRule::Decision& decision = state.decision();
  return {trials.first(static_cast<size_t>(decision.trials)), decision.reason};
}

CountedTrials count_share(std::span<const store::TrialRow> own, const Share& share, int64_t cell,
                          const StopRule& rule) {
  const int64_t wanted = share.trials_below(cell, rule.max_trials);
  return {own, std::ssize(own) == wanted ? StopReason::kTrials : StopReason::kRunning};
}

CellResult analyse_stratified(const CountedTrials& trials, double sd_floor, const PilotCell& pilot,
                              const GoldenValues& golden, double yield_accuracy) {
  std::map<int64_t, double> values;
  const Estimator plain{.control = 0, .golden_accuracy = golden.accuracy};
  for (const store::TrialRow& row : trials.rows) values.emplace(row.trial, plain.value(row));
  CellResult cell;
  cell.stop = trials.stop;
  cell.untouched = pilot.untouched;
  cell.map_strata = told_strata(pilot, group(pilot, values), yield_accuracy);
  const std::vector<StratumValues> strata = by_stratum(pilot, values);
  if (strata.empty()) {
    cell.ci = student_interval(0, 0, 0);
    cell.yield_ci = clopper_pearson(0, 0);
    return cell;
  }
  const double untouched = pilot.untouched;
  const StratifiedMean mean = stratified_mean(strata, untouched, golden.accuracy, sd_floor);
  cell.ci = mean.ci;
  cell.accuracy = describe(strata, untouched, golden.accuracy, mean.mean);
  const StratifiedShare good = stratified_share(strata, untouched, golden.accuracy, yield_accuracy);
  cell.yield = good.share;
  cell.yield_ci = good.ci;
  cell.images = trials.rows.front().images;
  add_outcomes(trials.rows, pilot, golden, cell);
  return cell;
}

}  // namespace flatenn::campaign
