#include <algorithm>
#include <cmath>

#include "flatenn/analysis/rank_correlation.h"
#include "flatenn/analysis/sharpness_measures.h"
#include "flatenn/base/error.h"
#include "flatenn/study/claims.h"
#include "study/analysis_results.h"
#include "study/judgement.h"

namespace flatenn::study {
namespace {

using analysis::SharpnessMeasure;
using campaign::PlanResult;
using report::Claim;

/// Fixed beforehand: what SAM minimizes, what faults do, and what theory speaks of.
constexpr const char* kMeasures[] = {"one_step", "noise", "bit_errors", "eigenvalue", "trace"};
constexpr size_t kFewestArms = 4;  ///< That a rank correlation is told of.

struct Comparison {
  const char* id;
  const char* statement;
  const char* flatter;
  const char* sharper;
};

constexpr Comparison kComparisons[] = {
    {"saq-flatter-standard", "SAQ finds flatter minima, standard networks", "saq/standard",
     "sgd/standard"},
    {"saq-flatter-sparse", "SAQ finds flatter minima, sparse networks", "saq/sparse", "sgd/sparse"},
};

/// The cell of the campaign that sharpness is set against.
struct LossCell {
  const PlanResult* plan = nullptr;
  int64_t kind = -1;
  int64_t level = -1;

  /// Accuracy lost by a network; NaN where it was not measured.
  double loss_of(const NetworkResult& network) const {
    for (size_t model = 0; model < plan->models.size(); ++model) {
      if (plan->models[model].hash != network.hash || plan->models[model].name != network.name)
        continue;
      const campaign::CellResult* cell = plan->cell(static_cast<int64_t>(model), kind, level);
      if (cell != nullptr && cell->accuracy.count > 0)
        return plan->models[model].golden_accuracy - cell->accuracy.mean;
    }
    return std::nan("");
  }
};

std::optional<LossCell> find_cell(const PlanResult& plan, const Definition& definition) {
  const auto kind = std::find(plan.kinds.begin(), plan.kinds.end(), definition.flatness_kind);
  const auto level =
      std::find_if(plan.levels.begin(), plan.levels.end(),
                   [&](const campaign::Level& l) { return l.rate == definition.flatness_rate; });
  if (kind == plan.kinds.end() || level == plan.levels.end()) return std::nullopt;
  return LossCell{&plan, kind - plan.kinds.begin(), level - plan.levels.begin()};
}

/// Sharpness and accuracy lost of several networks.
struct Pairs {
  std::vector<double> sharpness, loss;
  void append(const Pairs& more) {
    sharpness.insert(sharpness.end(), more.sharpness.begin(), more.sharpness.end());
    loss.insert(loss.end(), more.loss.begin(), more.loss.end());
  }
};

Pairs pairs_of_seed(const std::vector<NetworkResult>& results, const SharpnessMeasure& measure,
                    const LossCell& cell, int64_t seed) {
  Pairs pairs;
  for (const NetworkResult& network : results) {
    if (network.seed != seed) continue;
    const double sharpness = measure.read(*network.result), loss = cell.loss_of(network);
    if (!std::isfinite(sharpness) || !std::isfinite(loss)) continue;
    pairs.sharpness.push_back(sharpness);
    pairs.loss.push_back(loss);
  }
  return pairs;
}

Measured correlate(const std::vector<NetworkResult>& results, const SharpnessMeasure& measure,
                   const LossCell& cell) {
  Measured measured;
  measured.claim = {.id = "sharper-loses-more",
                    .statement = "Sharper minima lose more accuracy under faults",
                    .better = "all networks",
                    .kind = cell.plan->kinds[static_cast<size_t>(cell.kind)],
                    .rate = cell.plan->levels[static_cast<size_t>(cell.level)].rate,
                    .measure = measure.title,
                    .unit = "correlation"};
  Pairs all;
  for (const int64_t seed : seeds_of(results)) {
    const Pairs pairs = pairs_of_seed(results, measure, cell, seed);
    if (pairs.loss.size() < kFewestArms) continue;
    measured.by_seed.push_back(analysis::spearman(pairs.sharpness, pairs.loss).rho);
    all.append(pairs);
  }
  if (!measured.by_seed.empty()) {
    const analysis::RankCorrelation r = analysis::spearman(all.sharpness, all.loss);
    measured.claim.networks = campaign::Interval{r.low, r.high};
  }
  return measured;
}

Measured compare(const std::vector<NetworkResult>& results, const SharpnessMeasure& measure,
                 const Comparison& comparison) {
  Measured measured;
  measured.claim = {.id = comparison.id,
                    .statement = comparison.statement,
                    .better = comparison.flatter,
                    .worse = comparison.sharper,
                    .measure = measure.title,
                    .unit = "percent"};
  double sum = 0;
  for (const int64_t seed : seeds_of(results)) {
    const NetworkResult* flatter = find_result(results, comparison.flatter, seed);
    const NetworkResult* sharper = find_result(results, comparison.sharper, seed);
    if (flatter == nullptr || sharper == nullptr) continue;
    const double low = measure.read(*flatter->result), high = measure.read(*sharper->result);
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    measured.by_seed.push_back(high - low);
    sum += high;
  }
  express_relative(measured, sum);
  return measured;
}

}  // namespace

std::vector<Claim> judge_flatness(const report::Findings& findings, const PlanResult& plan,
                                  const Definition& definition) {
  const std::vector<NetworkResult> results = results_of(findings, "sharpness");
  const std::optional<LossCell> cell = find_cell(plan, definition);
  std::vector<Measured> all;
  for (const char* id : kMeasures) {
    if (cell) all.push_back(correlate(results, analysis::sharpness_measure(id), *cell));
  }
  for (const Comparison& comparison : kComparisons) {
    for (const char* id : kMeasures)
      all.push_back(compare(results, analysis::sharpness_measure(id), comparison));
  }
  return judge_together(std::move(all), definition.min_seeds);
}

}  // namespace flatenn::study
