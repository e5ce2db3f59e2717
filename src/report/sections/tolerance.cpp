#include <algorithm>
#include <cmath>

#include "report/arm_curves.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPercent = 100;

/// "Tolerable rate (%)", "low (%)", "high (%)", or numbers of faults.
std::vector<Column> tolerance_columns(bool by_counts) {
  std::vector<Column> columns = {{"Network", 0, "model"}, {"Faults", 0, "kind"}};
  if (by_counts) {
    columns.insert(columns.end(),
                   {{"Tolerable faults", 1, "faults"}, {"low", 1, "low"}, {"high", 1, "high"}});
  } else {
    columns.insert(columns.end(), {{"Tolerable rate (%)", 3, "rate_percent"},
                                   {"low (%)", 3, "low_percent"},
                                   {"high (%)", 3, "high_percent"}});
  }
  columns.push_back({"Note", 0, "note"});
  return columns;
}

Table tolerance_table(const Findings& findings, const campaign::PlanResult& plan) {
  const bool counts = plan.by_counts();
  const std::string what = counts ? "number of faults" : "rate";
  Table table{.id = plan_id(findings, plan, "tolerance"),
              .title = plan_prefix(findings, plan) +
                       (counts ? "Tolerable number of faults" : "Tolerable bit error rate"),
              .caption = "The largest " + what + " that costs at most " +
                         counted(kPercent * plan.tolerated_drop, "point") +
                         " of mean accuracy, interpolated in log10 of it between those "
                         "measured, with the range that the 95 % intervals of the curve allow.",
              .columns = tolerance_columns(counts)};
  const double factor = counts ? 1 : kPercent;
  for (const campaign::ToleranceResult& result : plan.tolerances) {
    std::string note;
    if (result.beyond) note = "at least the highest " + what + " measured";
    if (result.rate == 0) note = "the lowest " + what + " measured costs more";
    table.rows.push_back({plan.models[static_cast<size_t>(result.model)].name,
                          kind_title(plan.kinds[static_cast<size_t>(result.kind)]),
                          factor * result.rate, factor * result.ci.low, factor * result.ci.high,
                          note});
  }
  return table;
}

CellNumber yield_of(const campaign::CellResult& cell) {
  return {kPercent * cell.yield, kPercent * cell.yield_ci.low, kPercent * cell.yield_ci.high};
}

Figure yield_figure(const Findings& findings, const campaign::PlanResult& plan, size_t kind) {
  Figure figure{
      .id = plan_id(findings, plan, "yield-" + slug(plan.kinds[kind])),
      .title = plan_prefix(findings, plan) + "Yield under " + kind_title(plan.kinds[kind]),
      .x = level_axis(plan),
      .y = {.title = "Maps that keep the accuracy (%)", .min = -3, .max = 103}};
  figure.caption =
      "Share of fault maps after which a network still has " +
      (plan.wanted_accuracy ? fixed(kPercent * *plan.wanted_accuracy, 2) + " % accuracy"
                            : "its own fault-free accuracy less " +
                                  counted(kPercent * plan.tolerated_drop, "point")) +
      ". ";
  const std::vector<Arm> arms = arms_of(plan);
  add_arm_curves(plan, arms, static_cast<int64_t>(kind), yield_of, figure);
  figure.caption += has_replicates(arms)
                        ? "Bold lines are means over training seeds with their 95 % Student-t "
                          "interval, thin lines the single networks."
                        : "Bands are 95 % Clopper-Pearson intervals.";
  return figure;
}

/// Trials over a part of the images tell no yield.
bool tells_yield(const campaign::PlanResult& plan) {
  return std::none_of(plan.cells.begin(), plan.cells.end(),
                      [](const campaign::CellResult& cell) { return std::isnan(cell.yield); });
}

}  // namespace

Section tolerance_section(const Findings& findings) {
  Section section{.id = "tolerance", .title = "Tolerable bit error rate and yield"};
  for (const campaign::PlanResult& plan : findings.plans) {
    if (!plan.tolerances.empty()) section.blocks.emplace_back(tolerance_table(findings, plan));
    for (size_t kind = 0; kind < plan.kinds.size() && !plan.single_fault; ++kind) {
      if (!tells_yield(plan)) break;
      Figure figure = yield_figure(findings, plan, kind);
      if (!figure.series.empty()) section.blocks.emplace_back(std::move(figure));
    }
  }
  return section;
}

}  // namespace flatenn::report
