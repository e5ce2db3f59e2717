#include <limits>

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
    if (cell.trials() == 0) continue;
    const auto told = [&](double value) { return accuracy.count > 0 ? value : kNoNumber; };
    table.rows.push_back({plan.models[static_cast<size_t>(cell.model)].name,
                          kind_title(plan.kinds[static_cast<size_t>(cell.kind)]),
                          plan.levels[static_cast<size_t>(cell.level)].label,
                          static_cast<double>(cell.trials()), told(kPercent * accuracy.mean),
                          kPercent * cell.interval().low, kPercent * cell.interval().high,
                          told(kPercent * accuracy.sd), told(kPercent * accuracy.median),
                          told(kPercent * accuracy.min), told(kPercent * accuracy.p5),
                          told(kPercent * cell.yield), told(kPercent * cell.yield_ci.low),
                          told(kPercent * cell.yield_ci.high), told(kPercent * cell.sdc1()),
                          told(cell.drawn), told(cell.landed), to_string(cell.stop)});
  }
  return table;
}

/// What stratified cells are put together from.
Table map_strata_table(const Findings& findings, const campaign::PlanResult& plan) {
  Table table{.id = plan_id(findings, plan, "map-strata"),
              .title = plan_prefix(findings, plan) + "Strata of rare faults",
              .caption =
                  "Fault maps by the most harmful class of bits that they hit, with the "
                  "share of all maps that each class stands for. Maps of class none change "
                  "nothing and need no trial.",
              .columns = {{"Network", 0, "model"},
                          {"Faults", 0, "kind"},
                          {"Rate", 0, "bit_error_rate"},
                          {"Class", 0, "class"},
                          {"Bits", 0, "bits"},
                          {"Of all maps (%)", 4, "weight_percent"},
                          {"Maps", 0, "maps"},
                          {"Mean (%)", 2, "accuracy_mean_percent"},
                          {"sd", 2, "sd_points"},
                          {"Yield (%)", 1, "yield_percent"}}};
  for (const campaign::CellResult& cell : plan.cells) {
    if (!cell.stratified()) continue;
    const auto add = [&](const campaign::MapStratumResult& stratum) {
      const auto told = [&](double value, int64_t least = 1) {
        return stratum.trials >= least ? kPercent * value : kNoNumber;
      };
      table.rows.push_back({plan.models[static_cast<size_t>(cell.model)].name,
                            kind_title(plan.kinds[static_cast<size_t>(cell.kind)]),
                            plan.levels[static_cast<size_t>(cell.level)].label, stratum.name,
                            static_cast<double>(stratum.bits), kPercent * stratum.weight,
                            static_cast<double>(stratum.trials), told(stratum.mean),
                            told(stratum.sd, 2), told(stratum.yield)});
    };
    add({.name = "none", .weight = cell.untouched});
    for (const campaign::MapStratumResult& stratum : cell.map_strata) add(stratum);
  }
  return table;
}

/// Cells without an estimate, and what they lack.
void add_untold(const campaign::PlanResult& plan, Section& section) {
  for (const campaign::CellResult& cell : plan.cells) {
    const std::string reason = cell.untold();
    if (reason.empty()) continue;
    const std::string place = plan.models[static_cast<size_t>(cell.model)].name + ", " +
                              kind_title(plan.kinds[static_cast<size_t>(cell.kind)]) + ", " +
                              plan.levels[static_cast<size_t>(cell.level)].label;
    section.blocks.emplace_back(
        Paragraph{.text = place + " is not told: " + reason + ".", .warning = true});
  }
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
    add_untold(plan, section);
    Table map_strata = map_strata_table(findings, plan);
    if (!map_strata.rows.empty()) section.blocks.emplace_back(std::move(map_strata));
    Table strata = stratum_table(findings, plan);
    if (!strata.rows.empty()) section.blocks.emplace_back(std::move(strata));
  }
  return section;
}

}  // namespace flatenn::report
