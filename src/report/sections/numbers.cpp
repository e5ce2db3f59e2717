#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

std::vector<Column> cell_columns() {
  return {{"Network", 0, "model"},
          {"Faults", 0, "kind"},
          {"Rate", 0, "bit_error_rate"},
          {"Maps", 0, "maps"},
          {"Mean (%)", 2, "accuracy_mean_percent"},
          {"low", 2, "ci_low_percent"},
          {"high", 2, "ci_high_percent"},
          {"sd", 2, "sd_points"},
          {"Median", 2, "median_percent"},
          {"Least", 2, "min_percent"},
          {"5th pct", 2, "p5_percent"},
          {"Yield (%)", 1, "yield_percent"},
          {"yield low", 1, "yield_low_percent"},
          {"yield high", 1, "yield_high_percent"},
          {"Top-1 changed (%)", 2, "sdc1_percent"},
          {"Faults drawn", 1, "drawn"},
          {"landed", 1, "landed"},
          {"State", 0, "stop"}};
}

Table cell_table(const Findings& findings, const campaign::PlanResult& plan) {
  Table table{.id = plan_id(findings, plan, "cells"),
              .title = plan_prefix(findings, plan) + "Every cell: network, kind of fault, rate",
              .caption =
                  "Accuracy over fault maps with the 95 % interval of its mean (Hall's where "
                  "trials are skewed, else Student's); "
                  "landed faults are those that changed a stored bit.",
              .columns = cell_columns()};
  for (const campaign::CellResult& cell : plan.cells) {
    const campaign::Summary& accuracy = cell.accuracy;
    if (accuracy.count == 0) continue;
    table.rows.push_back({plan.models[static_cast<size_t>(cell.model)].name,
                          kind_title(plan.kinds[static_cast<size_t>(cell.kind)]),
                          plan.levels[static_cast<size_t>(cell.level)].label,
                          static_cast<double>(accuracy.count), kPercent * accuracy.mean,
                          kPercent * cell.interval().low, kPercent * cell.interval().high,
                          kPercent * accuracy.sd, kPercent * accuracy.median,
                          kPercent * accuracy.min, kPercent * accuracy.p5, kPercent * cell.yield,
                          kPercent * cell.yield_ci.low, kPercent * cell.yield_ci.high,
                          kPercent * cell.sdc1(), cell.drawn, cell.landed, to_string(cell.stop)});
  }
  return table;
}

Table stratum_table(const Findings& findings, const campaign::PlanResult& plan) {
  Table table{.id = plan_id(findings, plan, "strata"),
              .title = plan_prefix(findings, plan) + "Single faults by layer and bit",
              .caption = "Critical: the fault changed the top-1 class of at least one image.",
              .columns = {{"Network", 0, "model"},
                          {"Faults", 0, "kind"},
                          {"Layer", 0, "layer"},
                          {"Bit", 0, "bit"},
                          {"Population", 0, "population"},
                          {"Tried", 0, "tried"},
                          {"Critical (%)", 2, "critical_percent"},
                          {"low", 2, "low_percent"},
                          {"high", 2, "high_percent"},
                          {"Top-1 changed (%)", 4, "sdc1_percent"}}};
  for (const campaign::StratumResult& stratum : plan.strata) {
    table.rows.push_back(
        {plan.models[static_cast<size_t>(stratum.model)].name,
         kind_title(plan.kinds[static_cast<size_t>(stratum.kind)]), stratum.layer_name,
         stratum.bit < 0 ? Field("all") : Field(static_cast<double>(stratum.bit)),
         static_cast<double>(stratum.population), static_cast<double>(stratum.tried),
         kPercent * stratum.share, kPercent * stratum.ci.low, kPercent * stratum.ci.high,
         kPercent * stratum.mean_sdc1});
  }
  return table;
}

}  // namespace

Section numbers_section(const Findings& findings) {
  Section section{.id = "numbers", .title = "All numbers"};
  for (const campaign::PlanResult& plan : findings.plans) {
    Table cells = cell_table(findings, plan);
    if (!cells.rows.empty()) section.blocks.emplace_back(std::move(cells));
    Table strata = stratum_table(findings, plan);
    if (!strata.rows.empty()) section.blocks.emplace_back(std::move(strata));
  }
  return section;
}

}  // namespace flatenn::report
