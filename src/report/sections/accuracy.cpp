#include "flatenn/base/error.h"
#include "report/arm_curves.h"
#include "report/format.h"
#include "report/hero.h"
#include "report/scale.h"
#include "report/sections.h"
#include "report/telling_cell.h"

namespace flatenn::report {
namespace {

CellNumber accuracy_of(const campaign::CellResult& cell) {
  return {kPercent * cell.accuracy.mean, kPercent * cell.interval().low,
          kPercent * cell.interval().high};
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
            : "Bands are 95 % intervals of the mean over fault maps. ";
  return band + "Dotted: accuracy without faults. Every network meets the same fault maps" +
         (plan.dataset_images > 0 ? " and the same " + std::to_string(plan.dataset_images) +
                                        " images of " + plan.dataset + "."
                                  : ".");
}

/// Groups of at most kMostCurves arms: by recipe, each beside the baseline.
std::vector<std::vector<Arm>> small_multiples(const std::vector<Arm>& arms) {
  if (arms.size() <= kMostCurves) return {arms};
  const Arm& base = arms[baseline_of(arms)];
  std::vector<std::vector<Arm>> groups;
  std::string recipe;
  for (const Arm& arm : arms) {
    if (arm.name == base.name) continue;
    const bool follows = !groups.empty() && arm.recipe == recipe && !recipe.empty();
    const bool open = !groups.empty() && (follows || (recipe.empty() && arm.recipe.empty()));
    if (!open || groups.back().size() == kMostCurves) groups.push_back({base});
    recipe = arm.recipe;
    groups.back().push_back(arm);
  }
  return groups;
}

/// "saq-standard, saq-sparse"
std::string names_of(const std::vector<Arm>& group) {
  std::string names;
  for (size_t i = 1; i < group.size(); ++i) names += (i > 1 ? ", " : "") + group[i].name;
  return names;
}

void add_figures(const Findings& findings, const campaign::PlanResult& plan, int64_t kind,
                 Section& section) {
  std::vector<Figure> figures;
  const auto groups = small_multiples(arms_of(plan));
  for (size_t i = 0; i < groups.size(); ++i) {
    Figure figure = accuracy_figure(findings, plan, kind, groups[i]);
    if (figure.series.empty()) continue;
    if (groups.size() > 1) {
      figure.title += detail::concat(": ", names_of(groups[i]));
      if (i > 0) figure.id += detail::concat("-", i + 1);
    }
    figures.push_back(std::move(figure));
  }
  share_axes(figures);
  for (Figure& figure : figures) section.blocks.emplace_back(std::move(figure));
}

}  // namespace

Figure accuracy_figure(const Findings& findings, const campaign::PlanResult& plan, int64_t kind,
                       const std::vector<Arm>& arms) {
  const std::string& name = plan.kinds[static_cast<size_t>(kind)];
  Figure figure{.id = plan_id(findings, plan, "accuracy-" + slug(name)),
                .title = plan_prefix(findings, plan) + "Accuracy under " + kind_title(name),
                .x = level_axis(plan),
                .y = {.title = "Accuracy (%)"}};
  add_arm_curves(plan, arms, kind, accuracy_of, figure);
  for (const Arm& arm : arms)
    figure.references.push_back({"", golden_percent(plan, arm), arm.style, arm.name});
  figure.caption = caption_of(plan, has_replicates(arms));
  return figure;
}

Section accuracy_section(const Findings& findings) {
  Section section{.id = "accuracy", .title = "Accuracy against bit error rate"};
  for (const campaign::PlanResult& plan : findings.plans) {
    if (plan.single_fault) continue;
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind)
      add_figures(findings, plan, static_cast<int64_t>(kind), section);
  }
  return section;
}

}  // namespace flatenn::report
