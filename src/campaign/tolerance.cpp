#include <algorithm>
#include <cmath>
#include <optional>

#include "campaign/analysis.h"
#include "campaign/tolerance_search.h"

namespace flatenn::campaign {
namespace {

/// A measured level of one curve.
struct Point {
  double rate;  ///< Or count: where the level stands.
  double loss;  ///< Of mean accuracy, against the fault-free one.
  Side side;
};

/// Of a search's cells those tell that came to a decision; the interval to read does elsewhere.
Side side_of(const PlanResult& plan, const CellResult& cell, double limit) {
  if (plan.search_within) {
    if (cell.stop != StopReason::kDecided) return Side::kUnsure;
    return cell.accuracy.mean >= limit ? Side::kKeeps : Side::kCosts;
  }
  if (cell.interval().low >= limit) return Side::kKeeps;
  return cell.interval().high < limit ? Side::kCosts : Side::kUnsure;
}

std::vector<Point> curve_of(const PlanResult& plan, int64_t model, int64_t kind) {
  const double golden = plan.models[static_cast<size_t>(model)].golden_accuracy;
  std::vector<Point> curve;
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    const CellResult* const cell = plan.cell(model, kind, static_cast<int64_t>(level));
    if (cell == nullptr || cell->accuracy.count == 0) continue;
    curve.push_back({.rate = plan.levels[level].place(),
                     .loss = golden - cell->accuracy.mean,
                     .side = side_of(plan, *cell, limit_of(golden, plan.tolerated_drop))});
  }
  return curve;
}

/// Where a loss that grows as a power of the rate between two points reaches `wanted`.
double between(const Point& before, const Point& after, double wanted) {
  const double share = (wanted - before.loss) / (after.loss - before.loss);
  if (before.rate <= 0) return share * after.rate;
  // A loss that noise makes zero or negative has no logarithm: of what a loss in proportion to the
  // rate would be, it counts as a tenth at least.
  constexpr double kLeast = 0.1;
  const double ratio = after.rate / before.rate;
  const double loss = std::max(before.loss, kLeast * after.loss / ratio);
  if (loss >= wanted) return before.rate;
  return before.rate * std::pow(ratio, std::log(wanted / loss) / std::log(after.loss / loss));
}

void find_estimate(const std::vector<Point>& curve, double wanted, ToleranceResult& result) {
  const auto costs = std::find_if(curve.begin(), curve.end(),
                                  [&](const Point& point) { return point.loss > wanted; });
  result.below = costs == curve.begin();
  result.beyond = costs == curve.end();
  result.rate = result.below    ? curve.front().rate
                : result.beyond ? curve.back().rate
                                : between(*(costs - 1), *costs, wanted);
}

void find_bracket(const std::vector<Point>& curve, ToleranceResult& result) {
  std::vector<Side> sides;
  for (const Point& point : curve) sides.push_back(point.side);
  const Bracket bracket = bracket_of(sides);
  result.low_below = bracket.last_kept < 0;
  result.high_beyond = bracket.first_lost == std::ssize(curve);
  const auto rate = [&](int64_t i) { return curve[static_cast<size_t>(i)].rate; };
  result.ci = {rate(std::max<int64_t>(bracket.last_kept, 0)),
               rate(std::min(bracket.first_lost, std::ssize(curve) - 1))};
}

/// None where nothing was measured yet.
std::optional<ToleranceResult> find_tolerance(const PlanResult& plan, int64_t model, int64_t kind) {
  const std::vector<Point> curve = curve_of(plan, model, kind);
  if (curve.empty()) return std::nullopt;
  ToleranceResult result{.model = model, .kind = kind};
  const double golden = plan.models[static_cast<size_t>(model)].golden_accuracy;
  find_estimate(curve, golden - limit_of(golden, plan.tolerated_drop), result);
  find_bracket(curve, result);
  const bool from_nothing = curve.front().rate == 0;  // no rate lies below that one
  if (from_nothing) result.below = result.low_below = false;
  return result;
}

}  // namespace

std::vector<ToleranceResult> find_tolerances(const PlanResult& plan) {
  std::vector<ToleranceResult> tolerances;
  if (plan.single_fault || plan.levels.size() < 2) return tolerances;
  for (size_t model = 0; model < plan.models.size(); ++model) {
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      const auto result =
          find_tolerance(plan, static_cast<int64_t>(model), static_cast<int64_t>(kind));
      if (result) tolerances.push_back(*result);
    }
  }
  return tolerances;
}

}  // namespace flatenn::campaign
