#include <algorithm>
#include <cmath>

#include "report/arm_curves.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

/// "Tolerable rate (%)", "from (%)", "to (%)", or numbers of faults, with their flags.
std::vector<Column> tolerance_columns(bool by_counts) {
  const std::string unit = by_counts ? "faults" : "rate_percent";
  const int decimals = by_counts ? 1 : 3;
  const std::string shown = by_counts ? "" : " (%)";
  return {{"Network", 0, "model"},
          {"Faults", 0, "kind"},
          {by_counts ? "Tolerable faults" : "Tolerable rate (%)", decimals, unit},
          {"from" + shown, decimals, by_counts ? "low" : "low_percent"},
          {"to" + shown, decimals, by_counts ? "high" : "high_percent"},
          {"", 0, "below", true},
          {"", 0, "low_below", true},
          {"", 0, "beyond", true},
          {"", 0, "high_beyond", true}};
}

Field bound_field(double value, bool below, bool beyond) {
  if (below) return Bound{value, "<"};
  if (beyond) return Bound{value, "≥"};
  return value;
}

Table tolerance_table(const Findings& findings, const campaign::PlanResult& plan) {
  const bool counts = plan.by_counts();
  const std::string what = counts ? "number of faults" : "rate";
  Table table{.id = plan_id(findings, plan, "tolerance"),
              .title = plan_prefix(findings, plan) +
                       (counts ? "Tolerable number of faults" : "Tolerable bit error rate"),
              .caption = "The largest " + what + " that costs at most " +
                         counted(kPercent * plan.tolerated_drop, "point") +
                         " of mean accuracy: estimated from the two measured around it, as if the "
                         "loss grew as a power of it, and the range that the 95 % intervals allow, "
                         "from the last measured that surely keeps the accuracy to the first that "
                         "surely does not. < and ≥ mark numbers outside those measured.",
              .columns = tolerance_columns(counts)};
  const double factor = counts ? 1 : kPercent;
  const auto flag = [](bool set) { return set ? 1.0 : 0.0; };
  for (const campaign::ToleranceResult& result : plan.tolerances) {
    table.rows.push_back({plan.models[static_cast<size_t>(result.model)].name,
                          kind_title(plan.kinds[static_cast<size_t>(result.kind)]),
                          bound_field(factor * result.rate, result.below, result.beyond),
                          bound_field(factor * result.ci.low, result.low_below, false),
                          bound_field(factor * result.ci.high, false, result.high_beyond),
                          flag(result.below), flag(result.low_below), flag(result.beyond),
                          flag(result.high_beyond)});
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
