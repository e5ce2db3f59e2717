#include <algorithm>
#include <limits>
#include <set>

#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPercent = 100;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Index of the level whose curves lie furthest apart in the mean over kinds: the one to quote.
size_t telling_level(const campaign::PlanResult& plan) {
  size_t best = 0;
  double widest = -1;
  for (size_t level = 0; level < plan.levels.size(); ++level) {
    double spread = 0;
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      double low = 1, high = 0;
      for (size_t model = 0; model < plan.models.size(); ++model) {
        const auto* cell = plan.cell(static_cast<int64_t>(model), static_cast<int64_t>(kind),
                                     static_cast<int64_t>(level));
        if (cell == nullptr || cell->accuracy.count == 0) continue;
        low = std::min(low, cell->accuracy.mean);
        high = std::max(high, cell->accuracy.mean);
      }
      spread += high - low;
    }
    if (spread > widest) {
      widest = spread;
      best = level;
    }
  }
  return best;
}

Table summary_table(const Findings& findings, const campaign::PlanResult& plan) {
  const size_t level = telling_level(plan);
  Table table{
      .id = plan_id(findings, plan, "summary"),
      .title = plan_prefix(findings, plan) + "Networks at a glance",
      .caption =
          "Accuracy without faults, and mean accuracy over fault maps where the networks lie "
          "furthest apart."};
  table.columns = {{"Network", 0, "model"}, {"No faults (%)", 2, "golden_percent"}};
  for (const std::string& kind : plan.kinds)
    table.columns.push_back(
        {plan.levels[level].label + " " + kind_title(kind) + " (%)", 2, kind + "_percent"});
  for (size_t model = 0; model < plan.models.size(); ++model) {
    std::vector<Field> row = {plan.models[model].name,
                              kPercent * plan.models[model].golden_accuracy};
    for (size_t kind = 0; kind < plan.kinds.size(); ++kind) {
      const auto* cell = plan.cell(static_cast<int64_t>(model), static_cast<int64_t>(kind),
                                   static_cast<int64_t>(level));
      row.emplace_back(cell != nullptr && cell->accuracy.count > 0 ? kPercent * cell->accuracy.mean
                                                                   : kNone);
    }
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
