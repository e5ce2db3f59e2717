#include "report/arm_curves.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPercent = 100;

CellNumber accuracy_of(const campaign::CellResult& cell) {
  return {kPercent * cell.accuracy.mean, kPercent * cell.ci.low, kPercent * cell.ci.high};
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
  const std::vector<Arm> arms = arms_of(plan);
  add_arm_curves(plan, arms, kind, accuracy_of, figure);
  for (const Arm& arm : arms)
    figure.references.push_back({"", golden_percent(plan, arm), arm.style});
  figure.caption = caption_of(plan, has_replicates(arms));
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
