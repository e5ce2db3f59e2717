#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPercent = 100;

const campaign::CellResult* used_cell(const campaign::PlanResult& plan, int64_t model, int64_t kind,
                                      size_t level) {
  const campaign::CellResult* cell = plan.cell(model, kind, static_cast<int64_t>(level));
  return cell != nullptr && cell->accuracy.count > 0 ? cell : nullptr;
}

/// Accuracy of one model over the levels.
Series model_series(const campaign::PlanResult& plan, const Arm& arm, int64_t model, int64_t kind) {
  Series series{.name = arm.name, .style = arm.style};
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    const campaign::CellResult* cell = used_cell(plan, model, kind, level);
    if (cell == nullptr) continue;
    series.x.push_back(plan.levels[level].place());
    series.y.push_back(kPercent * cell->accuracy.mean);
    series.low.push_back(kPercent * cell->ci.low);
    series.high.push_back(kPercent * cell->ci.high);
    series.labels.push_back(std::to_string(cell->accuracy.count) + " maps, " +
                            plan.levels[level].label);
  }
  return series;
}

/// Mean over an arm's models with the interval over seeds.
Series arm_series(const campaign::PlanResult& plan, const Arm& arm, int64_t kind) {
  Series series{.name = arm.name, .style = arm.style};
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    std::vector<double> means;
    for (const int64_t model : arm.models) {
      const campaign::CellResult* cell = used_cell(plan, model, kind, level);
      if (cell != nullptr) means.push_back(kPercent * cell->accuracy.mean);
    }
    if (means.size() < 2) continue;
    const Estimate estimate = over_models(means, {});
    series.x.push_back(plan.levels[level].place());
    series.y.push_back(estimate.mean);
    series.low.push_back(estimate.interval.low);
    series.high.push_back(estimate.interval.high);
    series.labels.push_back(std::to_string(means.size()) + " seeds, " + plan.levels[level].label);
  }
  return series;
}

double golden_percent(const campaign::PlanResult& plan, const Arm& arm) {
  std::vector<double> golden;
  for (const int64_t model : arm.models)
    golden.push_back(kPercent * plan.models[static_cast<size_t>(model)].golden_accuracy);
  return campaign::summarize(golden).mean;
}

std::string caption_of(const campaign::PlanResult& plan, bool seeds) {
  const std::string band =
      seeds ? "Bold lines are means over training seeds with their 95 % Student-t interval, thin "
              "lines the single networks. "
            : "Bands are 95 % Student-t intervals of the mean over fault maps. ";
  return band + "Dotted: accuracy without faults. Every network meets the same fault maps" +
         (plan.dataset_images > 0 ? " and the same " + std::to_string(plan.dataset_images) +
                                        " images of " + plan.dataset + "."
                                  : ".");
}

Figure accuracy_figure(const Findings& findings, const campaign::PlanResult& plan, int64_t kind) {
  const std::string& name = plan.kinds[static_cast<size_t>(kind)];
  Figure figure{.id = plan_id(findings, plan, "accuracy-" + slug(name)),
                .title = plan_prefix(findings, plan) + "Accuracy under " + kind_title(name),
                .x = level_axis(plan),
                .y = {.title = "Accuracy (%)"}};
  bool seeds = false;
  for (const Arm& arm : arms_of(plan)) {
    const bool several = arm.models.size() > 1;
    seeds = seeds || several;
    for (const int64_t model : arm.models) {
      Series series = model_series(plan, arm, model, kind);
      series.faint = several;
      if (!series.x.empty()) figure.series.push_back(std::move(series));
    }
    if (several) figure.series.push_back(arm_series(plan, arm, kind));
    figure.references.push_back({"", golden_percent(plan, arm), arm.style});
  }
  figure.caption = caption_of(plan, seeds);
  return figure;
}

}  // namespace

Section accuracy_section(const Findings& findings) {
  Section section{.id = "accuracy", .title = "Accuracy against bit error rate"};
  for (const campaign::PlanResult& plan : findings.plans) {
    if (plan.single_fault) continue;
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      Figure figure = accuracy_figure(findings, plan, static_cast<int64_t>(kind));
      if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));
    }
  }
  return section;
}

}  // namespace flatenn::report
