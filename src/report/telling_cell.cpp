#include "report/telling_cell.h"

#include <algorithm>
#include <limits>

#include "report/arm_curves.h"
#include "report/format.h"

namespace flatenn::report {
namespace {

/// How far the networks' means lie apart in one column of cells.
double spread_of(const campaign::PlanResult& plan, size_t kind, size_t level) {
  double low = 1, high = 0;
  for (size_t model = 0; model < plan.models.size(); ++model) {
    const auto* cell =
        used_cell(plan, static_cast<int64_t>(model), static_cast<int64_t>(kind), level);
    if (cell == nullptr) continue;
    low = std::min(low, cell->accuracy.mean);
    high = std::max(high, cell->accuracy.mean);
  }
  return high - low;
}

/// The highest level with trials: what a single network is quoted at.
size_t last_level(const campaign::PlanResult& plan) {
  size_t last = 0;
  for (const campaign::CellResult& cell : plan.cells) {
    if (cell.accuracy.count > 0) last = std::max(last, static_cast<size_t>(cell.level));
  }
  return last;
}

double mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  return campaign::summarize(values).mean;
}

}  // namespace

TellingCell telling_cell(const campaign::PlanResult& plan) {
  TellingCell best;
  double widest = -1;
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    double sum = 0;
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) sum += spread_of(plan, kind, level);
    if (sum <= widest) continue;
    widest = sum;
    best.level = level;
  }
  if (widest <= 0) best.level = last_level(plan);
  for (size_t kind = 1; kind < plan.kinds.size(); ++kind) {
    if (spread_of(plan, kind, best.level) > spread_of(plan, best.kind, best.level))
      best.kind = kind;
  }
  return best;
}

double faulty_accuracy(const campaign::PlanResult& plan, const Arm& arm, const TellingCell& cell) {
  std::vector<double> means;
  for (const int64_t model : arm.models) {
    const auto* used = used_cell(plan, model, static_cast<int64_t>(cell.kind), cell.level);
    if (used != nullptr) means.push_back(used->accuracy.mean);
  }
  return mean_of(means);
}

double golden_accuracy(const campaign::PlanResult& plan, const Arm& arm) {
  std::vector<double> golden;
  for (const int64_t model : arm.models)
    golden.push_back(plan.models[static_cast<size_t>(model)].golden_accuracy);
  return mean_of(golden);
}

size_t baseline_of(const std::vector<Arm>& arms) {
  size_t conventional = arms.size();
  for (size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].recipe != "sgd") continue;
    if (arms[i].activation == "standard") return i;
    conventional = std::min(conventional, i);
  }
  return conventional < arms.size() ? conventional : 0;
}

std::string cell_words(const campaign::PlanResult& plan, const TellingCell& cell) {
  const campaign::Level& level = plan.levels[cell.level];
  const std::string kind = kind_title(plan.kinds[cell.kind]);
  if (level.count || level.voltage) return level.label + " (" + kind + ")";
  return rate_percent(level.rate) + " " + kind;
}

}  // namespace flatenn::report
