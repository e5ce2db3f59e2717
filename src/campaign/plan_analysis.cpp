#include <algorithm>
#include <cmath>

#include "campaign/analysis.h"

namespace flatenn::campaign {
namespace {

struct Point {
  double rate;  ///< Or count: where the level stands.
  double accuracy;
};

struct Crossing {
  double rate = 0;
  bool beyond = false;
};

/// Where the curve first falls below `wanted`, between points linear in log10(rate).
Crossing first_crossing(const std::vector<Point>& curve, double wanted) {
  if (curve.empty() || curve.front().accuracy < wanted) return {};
  for (size_t i = 1; i < curve.size(); ++i) {
    const Point& before = curve[i - 1];
    const Point& after = curve[i];
    if (after.accuracy >= wanted) continue;
    const double share = (before.accuracy - wanted) / (before.accuracy - after.accuracy);
    if (before.rate <= 0) return {.rate = share * after.rate};
    return {.rate = before.rate * std::pow(after.rate / before.rate, share)};
  }
  return {.rate = curve.back().rate, .beyond = true};
}

template <typename Accuracy>
Crossing crossing_of(const PlanResult& plan, int64_t model, int64_t kind, Accuracy accuracy) {
  std::vector<Point> curve;
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    const CellResult* const cell = plan.cell(model, kind, static_cast<int64_t>(level));
    if (cell != nullptr && cell->accuracy.count > 0) {
      curve.push_back({plan.levels[level].place(), accuracy(*cell)});
    }
  }
  const double golden = plan.models[static_cast<size_t>(model)].golden_accuracy;
  return first_crossing(curve, golden - plan.tolerated_drop);
}

}  // namespace

PairResult compare_cells(const CellResult& a, const CellResult& b) {
  const size_t common = std::min(a.accuracies.size(), b.accuracies.size());
  std::vector<double> differences(common);
  for (size_t i = 0; i < common; ++i) differences[i] = b.accuracies[i] - a.accuracies[i];
  const Summary summary = summarize(differences);
  return {.model_a = a.model,
          .model_b = b.model,
          .kind = a.kind,
          .level = a.level,
          .trials = summary.count,
          .difference = summary.mean,
          .sd = summary.sd,
          .ci = student_interval(summary.mean, summary.sd, summary.count),
          .p_value = student_p_value(differences)};
}

void adjust_pairs(std::vector<PairResult>& pairs) {
  std::vector<double> p_values;
  for (const PairResult& pair : pairs) p_values.push_back(pair.p_value);
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i].holm_p_value = adjusted[i];
}

std::vector<PairResult> compare_pairs(const PlanResult& plan) {
  std::vector<PairResult> pairs;
  for (const CellResult& a : plan.cells) {
    for (const CellResult& b : plan.cells) {
      if (a.model >= b.model || a.kind != b.kind || a.level != b.level) continue;
      if (a.accuracies.empty() || b.accuracies.empty()) continue;
      pairs.push_back(compare_cells(a, b));
    }
  }
  adjust_pairs(pairs);
  return pairs;
}

std::vector<ToleranceResult> find_tolerances(const PlanResult& plan) {
  std::vector<ToleranceResult> tolerances;
  if (plan.single_fault || plan.levels.size() < 2) return tolerances;
  for (size_t model = 0; model < plan.models.size(); ++model) {
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      const auto m = static_cast<int64_t>(model);
      const auto k = static_cast<int64_t>(kind);
      const auto at = [&](auto accuracy) { return crossing_of(plan, m, k, accuracy); };
      const Crossing middle = at([](const CellResult& cell) { return cell.accuracy.mean; });
      const Crossing low = at([](const CellResult& cell) { return cell.ci.low; });
      const Crossing high = at([](const CellResult& cell) { return cell.ci.high; });
      tolerances.push_back({.model = m,
                            .kind = k,
                            .rate = middle.rate,
                            .ci = {low.rate, high.rate},
                            .beyond = middle.beyond,
                            .high_beyond = high.beyond});
    }
  }
  return tolerances;
}

StratumResult stratum_total(std::span<const StratumResult> strata) {
  StratumResult total{.model = strata.front().model,
                      .kind = strata.front().kind,
                      .layer = -1,
                      .layer_name = "all",
                      .bit = -1};
  double critical = 0, sdc1 = 0, below = 0, above = 0;
  for (const StratumResult& s : strata) {
    const auto size = static_cast<double>(s.population);
    total.population += s.population;
    total.wanted += s.wanted;
    total.tried += s.tried;
    total.critical += s.critical;
    critical += size * s.share;
    sdc1 += size * s.mean_sdc1;
    const double left = size * (size - static_cast<double>(s.tried));
    below += left * std::pow(s.share - s.ci.low, 2);
    above += left * std::pow(s.ci.high - s.share, 2);
  }
  const auto size = static_cast<double>(total.population);
  total.share = critical / size;
  total.mean_sdc1 = sdc1 / size;
  total.ci = {std::max(0.0, total.share - std::sqrt(below) / size),
              std::min(1.0, total.share + std::sqrt(above) / size)};
  return total;
}

void add_stratum_totals(PlanResult& plan) {
  const std::vector<StratumResult> strata = plan.strata;
  for (size_t model = 0; model < plan.models.size() && plan.single_fault; ++model) {
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      std::vector<StratumResult> of_one;
      for (const StratumResult& s : strata) {
        if (s.model == static_cast<int64_t>(model) && s.kind == static_cast<int64_t>(kind)) {
          of_one.push_back(s);
        }
      }
      const auto untried = [](const StratumResult& s) { return s.tried == 0; };
      if (of_one.empty() || std::any_of(of_one.begin(), of_one.end(), untried)) continue;
      plan.strata.push_back(stratum_total(of_one));
    }
  }
}

}  // namespace flatenn::campaign
