#include "report/arm_curves.h"

#include <algorithm>

#include "report/format.h"

namespace flatenn::report {
namespace {

Series model_series(const campaign::PlanResult& plan, const Arm& arm, int64_t model, int64_t kind,
                    CellReader read) {
  Series series{.name = arm.name, .style = arm.style, .faint = arm.models.size() > 1};
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    const campaign::CellResult* cell = used_cell(plan, model, kind, level);
    if (cell == nullptr) continue;
    const CellNumber number = read(*cell);
    series.x.push_back(plan.levels[level].place());
    series.y.push_back(number.value);
    series.low.push_back(number.low);
    series.high.push_back(number.high);
    series.labels.push_back(std::to_string(cell->accuracy.count) + " maps, " +
                            plan.levels[level].label);
  }
  return series;
}

/// Mean over an arm's models with the interval over seeds.
Series mean_series(const campaign::PlanResult& plan, const Arm& arm, int64_t kind,
                   CellReader read) {
  Series series{.name = arm.name, .style = arm.style};
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    std::vector<double> values;
    for (const int64_t model : arm.models) {
      const campaign::CellResult* cell = used_cell(plan, model, kind, level);
      if (cell != nullptr) values.push_back(read(*cell).value);
    }
    if (values.size() < 2) continue;
    const Estimate estimate = over_models(values, {});
    series.x.push_back(plan.levels[level].place());
    series.y.push_back(estimate.mean);
    series.low.push_back(estimate.interval.low);
    series.high.push_back(estimate.interval.high);
    series.labels.push_back(std::to_string(values.size()) + " seeds, " + plan.levels[level].label);
  }
  return series;
}

}  // namespace

const campaign::CellResult* used_cell(const campaign::PlanResult& plan, int64_t model, int64_t kind,
                                      size_t level) {
  const campaign::CellResult* cell = plan.cell(model, kind, static_cast<int64_t>(level));
  return cell != nullptr && cell->accuracy.count > 0 ? cell : nullptr;
}

bool has_replicates(const std::vector<Arm>& arms) {
  return std::any_of(arms.begin(), arms.end(),
                     [](const Arm& arm) { return arm.models.size() > 1; });
}

void add_arm_curves(const campaign::PlanResult& plan, const std::vector<Arm>& arms, int64_t kind,
                    CellReader read, Figure& figure) {
  for (const Arm& arm : arms) {
    for (const int64_t model : arm.models) {
      Series series = model_series(plan, arm, model, kind, read);
      if (!series.x.empty()) figure.series.push_back(std::move(series));
    }
    if (arm.models.size() > 1) figure.series.push_back(mean_series(plan, arm, kind, read));
  }
}

}  // namespace flatenn::report
