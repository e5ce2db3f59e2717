#include <algorithm>
#include <cmath>

#include "report/artifacts.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

Field bound(double value, bool below, bool beyond) {
  if (below) return Bound{value, "<"};
  if (beyond) return Bound{value, "≥"};
  return value;
}

bool has_voltages(const campaign::PlanResult& plan) {
  return std::all_of(plan.levels.begin(), plan.levels.end(),
                     [](const campaign::Level& level) { return level.voltage.has_value(); });
}

/// The lowest voltage at which the network surely keeps the accuracy; none below the plan's rates.
double safe_voltage(const campaign::PlanResult& plan, const campaign::ToleranceResult& result) {
  for (const campaign::Level& level : plan.levels) {
    if (!result.low_below && level.place() == result.ci.low)
      return level.voltage.value_or(kNoNumber);
  }
  return kNoNumber;
}

/// What it takes to keep an accuracy at the rate that a sensitivity run was made for.
struct Protection {
  double hardened_percent = kNoNumber;  ///< Of the stored bits.
  std::string code;                     ///< The cheapest check code that suffices.
  double extra_percent = kNoNumber;     ///< Its memory.
};

Protection protection_for(const nlohmann::json& result, double accuracy) {
  Protection protection;
  if (!result.contains("hardening")) return protection;
  for (const nlohmann::json& step : result.at("hardening").at("steps")) {
    if (step.at("accuracy").get<double>() < accuracy) continue;
    protection.hardened_percent = kPercent * step.at("hardened_share").get<double>();
    break;
  }
  if (!result.contains("check_codes")) return protection;
  for (const nlohmann::json& code : result.at("check_codes").at("codes")) {
    const double extra = kPercent * code.at("extra_share").get<double>();
    const bool cheaper = std::isnan(protection.extra_percent) || extra < protection.extra_percent;
    if (code.at("accuracy").get<double>() < accuracy || !cheaper) continue;
    protection.code = code.at("name");
    protection.extra_percent = extra;
  }
  return protection;
}

const ModelArtifact* hardening_of(const std::vector<ModelArtifact>& artifacts,
                                  const std::string& hash) {
  for (const ModelArtifact& artifact : artifacts) {
    if (artifact.hash == hash && artifact.result->contains("hardening")) return &artifact;
  }
  return nullptr;
}

std::vector<Column> columns_of(const campaign::PlanResult& plan, bool protection) {
  const bool counts = plan.by_counts();
  const std::string unit = counts ? "" : " (%)";
  const int decimals = counts ? 1 : 3;
  std::vector<Column> columns = {
      {"Network", 0, "model"},
      {"Faults", 0, "kind"},
      {"No faults (%)", 2, "golden_percent"},
      {counts ? "Tolerable faults" : "Tolerable rate (%)", decimals, "tolerable"},
      {"surely" + unit, decimals, "surely"},
      {"surely not" + unit, decimals, "surely_not"}};
  if (has_voltages(plan)) columns.push_back({"Safe down to (V)", 3, "voltage"});
  if (protection) {
    columns.push_back({"Tested at", 0, "protected_rate"});
    columns.push_back({"Bits to harden (%)", 1, "hardened_percent"});
    columns.push_back({"or check code", 0, "code"});
    columns.push_back({"More memory (%)", 1, "extra_percent"});
  }
  return columns;
}

std::vector<Field> row_of(const campaign::PlanResult& plan,
                          const std::vector<ModelArtifact>& artifacts, bool protection,
                          const campaign::ToleranceResult& result) {
  const double factor = plan.by_counts() ? 1 : kPercent;
  const campaign::ModelResult& model = plan.models[static_cast<size_t>(result.model)];
  std::vector<Field> row = {model.name,
                            kind_title(plan.kinds[static_cast<size_t>(result.kind)]),
                            kPercent * model.golden_accuracy,
                            bound(factor * result.rate, result.below, result.beyond),
                            bound(factor * result.ci.low, result.low_below, false),
                            bound(factor * result.ci.high, false, result.high_beyond)};
  if (has_voltages(plan)) row.emplace_back(safe_voltage(plan, result));
  if (!protection) return row;
  const ModelArtifact* const artifact = hardening_of(artifacts, model.hash);
  const Protection needed =
      artifact != nullptr
          ? protection_for(*artifact->result, model.golden_accuracy - plan.tolerated_drop)
          : Protection{};
  row.emplace_back(artifact != nullptr ? rate_percent(artifact->result->at("hardening").at("rate"))
                                       : std::string());
  row.emplace_back(needed.hardened_percent);
  row.emplace_back(needed.code);
  row.emplace_back(needed.extra_percent);
  return row;
}

Designer designer_of(const Findings& findings, size_t index) {
  const campaign::PlanResult& plan = findings.plans[index];
  const std::vector<ModelArtifact> artifacts = model_artifacts(findings, "sensitivity");
  const bool protection = std::any_of(
      plan.models.begin(), plan.models.end(),
      [&](const auto& model) { return hardening_of(artifacts, model.hash) != nullptr; });
  Designer designer{.plan = index, .drop_points = kPercent * plan.tolerated_drop};
  Table& table = designer.table;
  table.id = plan_id(findings, plan, "designer");
  table.title = plan_prefix(findings, plan) + "What each network tolerates";
  table.caption =
      "\"Surely\" is the highest measured level up to which every 95 % interval lies above the "
      "accuracy, \"surely not\" the lowest whose interval lies below; the first number is an "
      "estimate between them. < and ≥ mark numbers outside the measured ones.";
  table.columns = columns_of(plan, protection);
  for (const campaign::ToleranceResult& result : plan.tolerances)
    table.rows.push_back(row_of(plan, artifacts, protection, result));
  return designer;
}

}  // namespace

Section designer_section(const Findings& findings) {
  Section section{.id = "designer", .title = "For your design: the accuracy you need"};
  for (size_t i = 0; i < findings.plans.size(); ++i) {
    if (!findings.plans[i].tolerances.empty())
      section.blocks.emplace_back(designer_of(findings, i));
  }
  return section;
}

}  // namespace flatenn::report
