#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/report/report.h"

namespace flatenn::report {
namespace {

using nlohmann::json;

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json interval(const campaign::Interval& value) { return {number(value.low), number(value.high)}; }

json optional_interval(const std::optional<campaign::Interval>& value) {
  return value ? interval(*value) : json(nullptr);
}

json model_json(const campaign::ModelResult& model) {
  return {{"name", model.name},
          {"hash", model.hash},
          {"metadata", model.metadata},
          {"golden_accuracy", number(model.golden_accuracy)},
          {"golden_loss", number(model.golden_loss)},
          {"weight_bits", model.weight_bits}};
}

json level_json(const campaign::Level& level) {
  json out = {{"rate", level.rate}, {"label", level.label}};
  if (level.count) out["count"] = *level.count;
  if (level.voltage) out["voltage"] = *level.voltage;
  return out;
}

json cell_json(const campaign::CellResult& cell) {
  const campaign::Summary& accuracy = cell.accuracy;
  json out = {{"model", cell.model},
              {"kind", cell.kind},
              {"level", cell.level},
              {"stop", to_string(cell.stop)},
              {"trials", accuracy.count},
              {"surplus", cell.surplus},
              {"mean", number(accuracy.mean)},
              {"ci", interval(cell.ci)},
              {"sd", number(accuracy.sd)},
              {"median", number(accuracy.median)},
              {"min", number(accuracy.min)},
              {"p5", number(accuracy.p5)},
              {"skew", number(accuracy.skew)},
              {"yield", number(cell.yield)},
              {"yield_ci", interval(cell.yield_ci)},
              {"mean_loss", number(cell.mean_loss)},
              {"identical", number(cell.identical)},
              {"masked", number(cell.masked)},
              {"sdc1_right", number(cell.sdc1_right)},
              {"sdc1_wrong", number(cell.sdc1_wrong)},
              {"drawn", number(cell.drawn)},
              {"landed", number(cell.landed)},
              {"images", cell.images},
              {"accuracies", cell.accuracies}};
  if (cell.skew_ci) out["skew_ci"] = interval(*cell.skew_ci);
  if (cell.bootstrap_ci) out["bootstrap_ci"] = interval(*cell.bootstrap_ci);
  return out;
}

json pair_json(const campaign::PairResult& pair) {
  return {{"model_a", pair.model_a},
          {"model_b", pair.model_b},
          {"kind", pair.kind},
          {"level", pair.level},
          {"trials", pair.trials},
          {"difference", number(pair.difference)},
          {"sd", number(pair.sd)},
          {"skew", number(pair.skew)},
          {"ci", interval(pair.ci)},
          {"p_value", number(pair.p_value)},
          {"holm_p_value", number(pair.holm_p_value)}};
}

json tolerance_json(const campaign::ToleranceResult& result) {
  return {{"model", result.model},       {"kind", result.kind},
          {"rate", number(result.rate)}, {"ci", interval(result.ci)},
          {"below", result.below},       {"low_below", result.low_below},
          {"beyond", result.beyond},     {"high_beyond", result.high_beyond}};
}

json stratum_json(const campaign::StratumResult& stratum) {
  return {{"model", stratum.model},           {"kind", stratum.kind},
          {"layer", stratum.layer_name},      {"bit", stratum.bit},
          {"population", stratum.population}, {"tried", stratum.tried},
          {"critical", stratum.critical},     {"share", number(stratum.share)},
          {"ci", interval(stratum.ci)},       {"mean_sdc1", number(stratum.mean_sdc1)}};
}

template <typename Items, typename Convert>
json list(const Items& items, Convert convert) {
  json out = json::array();
  for (const auto& item : items) out.push_back(convert(item));
  return out;
}

json plan_json(const campaign::PlanResult& plan) {
  json settings = json::parse(plan.settings_json, nullptr, /*allow_exceptions=*/false);
  return {{"name", plan.name},
          {"fingerprint", plan.fingerprint},
          {"settings", settings.is_discarded() ? json(plan.settings_json) : settings},
          {"version", plan.version},
          {"dataset", plan.dataset},
          {"dataset_hash", plan.dataset_hash},
          {"dataset_images", plan.dataset_images},
          {"seed", plan.seed},
          {"tolerated_drop", plan.tolerated_drop},
          {"search_within", plan.search_within ? json(*plan.search_within) : json(nullptr)},
          {"models", list(plan.models, model_json)},
          {"kinds", plan.kinds},
          {"levels", list(plan.levels, level_json)},
          {"cells", list(plan.cells, cell_json)},
          {"pairs", list(plan.pairs, pair_json)},
          {"tolerances", list(plan.tolerances, tolerance_json)},
          {"strata", list(plan.strata, stratum_json)}};
}

json run_json(const Run& run) {
  return {{"name", run.name}, {"record", json(run.record)}, {"epochs", run.epochs}};
}

std::optional<campaign::Interval> interval_from(const json& claim, const char* key) {
  const auto found = claim.find(key);
  if (found == claim.end() || found->is_null()) return std::nullopt;
  return campaign::Interval{found->at(0).get<double>(), found->at(1).get<double>()};
}

std::optional<double> number_from(const json& claim, const char* key) {
  const auto found = claim.find(key);
  if (found == claim.end() || found->is_null()) return std::nullopt;
  return found->get<double>();
}

json optional_number(const std::optional<double>& value) {
  return value ? number(*value) : json(nullptr);
}

json claim_json(const Claim& claim) {
  return {{"id", claim.id},
          {"statement", claim.statement},
          {"published", claim.published},
          {"better", claim.better},
          {"worse", claim.worse},
          {"kind", claim.kind},
          {"rate", claim.rate},
          {"measure", claim.measure},
          {"quantity", claim.quantity},
          {"unit", claim.unit},
          {"seeds", claim.seeds},
          {"difference", number(claim.difference)},
          {"networks", optional_interval(claim.networks)},
          {"method", optional_interval(claim.method)},
          {"p_value", optional_number(claim.p_value)},
          {"holm_p_value", optional_number(claim.holm_p_value)},
          {"verdict", claim.verdict},
          {"reason", claim.reason}};
}

Claim claim_from(const json& claim) {
  return {.id = claim.at("id"),
          .statement = claim.at("statement"),
          .published = claim.at("published"),
          .better = claim.at("better"),
          .worse = claim.at("worse"),
          .kind = claim.at("kind"),
          .rate = claim.at("rate"),
          .measure = claim.value("measure", ""),
          .quantity = claim.value(
              "quantity", claim.at("id") == "sparse-loses-more" ? "accuracy kept" : "accuracy"),
          .unit = claim.value("unit", "points"),
          .seeds = claim.at("seeds"),
          .difference = claim.at("difference"),
          .networks = interval_from(claim, "networks"),
          .method = interval_from(claim, "method"),
          .p_value = number_from(claim, "p_value"),
          .holm_p_value = number_from(claim, "holm_p_value"),
          .verdict = claim.at("verdict"),
          .reason = claim.at("reason")};
}

}  // namespace

json findings_to_json(const Findings& findings) {
  json artifacts = json::array();
  for (const Artifact& artifact : findings.artifacts)
    artifacts.push_back({{"label", artifact.label}, {"content", artifact.content}});
  return {{"title", findings.title},
          {"plans", list(findings.plans, plan_json)},
          {"runs", list(findings.runs, run_json)},
          {"claims", claims_to_json(findings.claims)},
          {"artifacts", artifacts},
          {"commands", findings.commands},
          {"left_out", findings.left_out}};
}

std::vector<Claim> claims_from_json(const json& claims) {
  std::vector<Claim> out;
  for (const json& claim : claims) out.push_back(claim_from(claim));
  return out;
}

json claims_to_json(const std::vector<Claim>& claims) { return list(claims, claim_json); }

}  // namespace flatenn::report
