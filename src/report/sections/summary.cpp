#include <algorithm>

#include "report/arm_curves.h"
#include "report/format.h"
#include "report/sections.h"
#include "report/telling_cell.h"

namespace flatenn::report {
namespace {

/// Mean over an arm's models of a percentage; the half of its 95 % t interval where there are
/// several.
struct ArmNumber {
  double mean = kNoNumber;
  double half_width = kNoNumber;
};

ArmNumber over_arm(const std::vector<double>& percents) {
  if (percents.empty()) return {};
  const Estimate estimate = over_models(percents, {});
  if (percents.size() < 2) return {estimate.mean, kNoNumber};
  return {estimate.mean, (estimate.interval.high - estimate.interval.low) / 2};
}

ArmNumber golden_of(const campaign::PlanResult& plan, const Arm& arm) {
  std::vector<double> percents;
  for (const int64_t model : arm.models)
    percents.push_back(kPercent * plan.models[static_cast<size_t>(model)].golden_accuracy);
  return over_arm(percents);
}

ArmNumber faulty_of(const campaign::PlanResult& plan, const Arm& arm, size_t kind, size_t level) {
  std::vector<double> percents;
  for (const int64_t model : arm.models) {
    const auto* cell = used_cell(plan, model, static_cast<int64_t>(kind), level);
    if (cell != nullptr) percents.push_back(kPercent * cell->accuracy.mean);
  }
  return over_arm(percents);
}

Table summary_table(const Findings& findings, const campaign::PlanResult& plan) {
  const size_t level = telling_cell(plan).level;
  const std::vector<Arm> arms = arms_of(plan);
  const bool seeds = has_replicates(arms);
  Table table{
      .id = plan_id(findings, plan, "summary"),
      .title = plan_prefix(findings, plan) + "Networks at a glance",
      .caption =
          "Accuracy without faults, and mean accuracy over fault maps where the networks lie "
          "furthest apart.",
      .open = true};
  if (seeds) table.caption += " Means over training seeds with their 95 % Student-t interval.";
  table.columns = {{"Network", 0, "model"}};
  if (seeds) table.columns.push_back({"Seeds", 0, "seeds"});
  const auto add_columns = [&](const std::string& title, const std::string& name) {
    table.columns.push_back({title + " (%)", 2, name + "_percent"});
    if (seeds) table.columns.push_back({"±", 2, name + "_half_width"});
  };
  add_columns("No faults", "golden");
  for (const std::string& kind : plan.kinds)
    add_columns(plan.levels[level].label + " " + kind_title(kind), kind);
  for (const Arm& arm : arms) {
    std::vector<Field> row = {arm.name};
    if (seeds) row.emplace_back(static_cast<double>(arm.models.size()));
    const auto add = [&](const ArmNumber& number) {
      row.emplace_back(number.mean);
      if (seeds) row.emplace_back(number.half_width);
    };
    add(golden_of(plan, arm));
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) add(faulty_of(plan, arm, kind, level));
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string count_of(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// What a plan's cells or strata came to.
struct Progress {
  std::string levels;  ///< "7 rates"
  int64_t trials = 0;
  std::string unfinished;  ///< "2 cells", or "" where all are done.
};

Progress progress_of_cells(const campaign::PlanResult& plan) {
  Progress progress{.levels = count_of(plan.levels.size(), plan.by_counts() ? "number" : "rate") +
                              (plan.by_counts() ? " of faults" : "")};
  size_t unfinished = 0;
  for (const campaign::CellResult& cell : plan.cells) {
    progress.trials += cell.accuracy.count;
    unfinished += cell.stop == campaign::StopReason::kRunning ? 1 : 0;
  }
  if (unfinished > 0) progress.unfinished = count_of(unfinished, "cell");
  return progress;
}

Progress progress_of_strata(const campaign::PlanResult& plan) {
  Progress progress{.levels = "single faults by layer and bit"};
  size_t unfinished = 0;
  for (const campaign::StratumResult& stratum : plan.strata) {
    if (stratum.bit < 0) continue;  // all of a network together
    progress.trials += stratum.tried;
    unfinished += stratum.tried < stratum.wanted ? 1 : 0;
  }
  if (unfinished > 0) {
    progress.unfinished = std::to_string(unfinished) + (unfinished == 1 ? " stratum" : " strata");
  }
  return progress;
}

Paragraph plan_paragraph(const campaign::PlanResult& plan) {
  const Progress progress = plan.single_fault ? progress_of_strata(plan) : progress_of_cells(plan);
  std::string text = "Campaign \"" + plan.name + "\": " + count_of(plan.models.size(), "network") +
                     ", " + count_of(plan.kinds.size(), "kind") + " of fault, " + progress.levels +
                     ", " + count_of(static_cast<size_t>(progress.trials), "trial") + " over " +
                     std::to_string(plan.dataset_images) + " images of " + plan.dataset +
                     ", seed " + std::to_string(plan.seed) + ".";
  const bool unfinished = !progress.unfinished.empty();
  if (unfinished) text += " " + progress.unfinished + " unfinished.";
  return {.text = text, .warning = unfinished};
}

}  // namespace

Section summary_section(const Findings& findings) {
  Section section{.id = "summary", .title = "At a glance"};
  for (const campaign::PlanResult& plan : findings.plans) {
    section.blocks.emplace_back(plan_paragraph(plan));
    if (!plan.single_fault && !plan.levels.empty())
      section.blocks.emplace_back(summary_table(findings, plan));
  }
  return section;
}

}  // namespace flatenn::report
