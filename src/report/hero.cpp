#include "report/hero.h"

#include "report/format.h"
#include "report/sections.h"
#include "report/telling_cell.h"

namespace flatenn::report {

std::optional<Figure> hero_figure(const Findings& findings, const campaign::PlanResult& plan) {
  if (plan.single_fault || plan.levels.empty()) return std::nullopt;
  const std::vector<Arm> arms = arms_of(plan);
  const auto kind = static_cast<int64_t>(telling_cell(plan).kind);
  const std::string faults = kind_title(plan.kinds[static_cast<size_t>(kind)]);
  Figure figure;
  if (arms.size() <= kMostCurves) {
    figure = accuracy_figure(findings, plan, kind, arms);
    figure.title = "Accuracy under " + faults;
  } else {
    const size_t base = baseline_of(arms);
    std::vector<Comparison> comparisons;
    for (size_t i = 0; i < arms.size(); ++i) {
      if (i != base) comparisons.push_back({arms[i].name, arms[i], arms[base]});
    }
    figure = difference_figure(plan, kind, comparisons);
    figure.title = "Accuracy under " + faults + ", less that of " + arms[base].name;
  }
  if (figure.series.empty()) return std::nullopt;
  figure.id = "hero";
  return figure;
}

}  // namespace flatenn::report
