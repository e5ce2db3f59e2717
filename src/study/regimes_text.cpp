#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/csv_field.h"
#include "flatenn/base/error.h"
#include "flatenn/study/regimes.h"

namespace flatenn::study {
namespace {

using nlohmann::json;

constexpr double kPoints = 100;

json interval_json(const std::optional<campaign::Interval>& interval) {
  return interval ? json{interval->low, interval->high} : json();
}

json number_or_null(const std::optional<double>& number) { return number ? json(*number) : json(); }

json to_json(const RegimeRow& row) {
  const report::Claim& claim = row.claim;
  return {{"comparison", row.comparison},
          {"regime", row.regime},
          {"network", row.network},
          {"bits", row.bits},
          {"first_last", row.first_last},
          {"quantizer", row.quantizer},
          {"sparsity", row.sparsity},
          {"better", row.better},
          {"worse", row.worse},
          {"encoding", row.encoding},
          {"kind", claim.kind},
          {"rate", claim.rate},
          {"quantity", claim.quantity},
          {"seeds", claim.seeds},
          {"gain", claim.difference},
          {"networks_ci", interval_json(claim.networks)},
          {"method_ci", interval_json(claim.method)},
          {"p_value", number_or_null(claim.p_value)},
          {"holm_p_value", number_or_null(claim.holm_p_value)},
          {"claimed", row.claimed},
          {"verdict", claim.verdict},
          {"reason", claim.reason},
          {"better_accuracy", row.better_accuracy},
          {"worse_accuracy", row.worse_accuracy},
          {"better_golden", row.better_golden},
          {"worse_golden", row.worse_golden},
          {"code_rms", row.code_rms},
          {"broken", row.broken}};
}

/// A value as a CSV field: the two ends of an interval are fields of their own.
std::string field(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return csv_field(value.get<std::string>());
  return value.dump();
}

bool is_interval(const std::string& key) { return key.ends_with("_ci"); }

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", kPoints * share);
  return text;
}

std::string interval_text(const std::optional<campaign::Interval>& interval) {
  return interval ? detail::concat("[", percent(interval->low), ", ", percent(interval->high), "]")
                  : "";
}

std::string row_text(const RegimeRow& row) {
  char text[512];
  const std::string cell =
      row.encoding + ", " + row.claim.kind + " " + percent(row.claim.rate) + " %";
  const std::string arms = row.better + " - " + row.worse;
  std::snprintf(
      text, sizeof text, "  %-40s %-36s %-38s %7.2f %-18s %s%s\n", row.regime.c_str(), arms.c_str(),
      cell.c_str(), kPoints * row.claim.difference, interval_text(row.claim.method).c_str(),
      row.claim.verdict.c_str(),
      row.claim.reason.empty() ? "" : detail::concat(" (", row.claim.reason, ")").c_str());
  return text;
}

}  // namespace

json regimes_json(const Grid& grid, const RegimesOutcome& outcome) {
  json comparisons = json::array(), rows = json::array(), missing = json::array();
  for (const GridComparison& comparison : grid.comparisons)
    comparisons.push_back({{"id", comparison.id},
                           {"statement", comparison.statement},
                           {"better", comparison.better},
                           {"worse", comparison.worse},
                           {"quantity", comparison.quantity},
                           {"claimed", comparison.claim.has_value()}});
  for (const RegimeRow& row : outcome.rows) rows.push_back(to_json(row));
  for (const MissingRegime& regime : outcome.missing)
    missing.push_back({{"regime", regime.name}, {"reason", regime.reason}});
  return {{"flatenn_result", "regimes"},
          {"title", grid.shared.title},
          {"study", grid.name},
          {"comparisons", comparisons},
          {"rows", rows},
          {"left_out", missing},
          {"not_run", outcome.not_run},
          {"grid", json::parse(grid.keys)}};
}

std::string regimes_csv(const std::vector<RegimeRow>& rows) {
  const char* const keys[] = {
      "comparison", "network",         "bits",           "first_last",    "quantizer",
      "sparsity",   "better",          "worse",          "encoding",      "kind",
      "rate",       "quantity",        "seeds",          "gain",          "networks_ci",
      "method_ci",  "p_value",         "holm_p_value",   "claimed",       "verdict",
      "reason",     "better_accuracy", "worse_accuracy", "better_golden", "worse_golden",
      "code_rms",   "broken",          "regime"};
  std::string text;
  for (const std::string key : keys)
    text += (text.empty() ? "" : ",") + (is_interval(key) ? key + "_low," + key + "_high" : key);
  text += "\n";
  for (const RegimeRow& row : rows) {
    const json values = to_json(row);
    std::string line;
    for (const std::string key : keys) {
      const json& value = values.at(key);
      if (!line.empty()) line += ",";
      if (!is_interval(key)) {
        line += field(value);
      } else {
        line += value.is_null() ? "," : field(value[0]) + "," + field(value[1]);
      }
    }
    text += line + "\n";
  }
  return text;
}

std::string regimes_text(const RegimesOutcome& outcome) {
  std::string text = "Claimed: gain in points, 95 % interval over seeds, verdict\n";
  size_t exploratory = 0;
  for (const RegimeRow& row : outcome.rows) {
    if (row.claimed) text += row_text(row);
    exploratory += row.claimed ? 0 : 1;
  }
  text += "  and " + std::to_string(exploratory) + " exploratory rows in regimes.csv\n";
  const auto list = [&](const char* title, const std::vector<std::string>& lines) {
    if (!lines.empty()) text += std::string("\n") + title + "\n";
    for (const std::string& line : lines) text += "  " + line + "\n";
  };
  std::vector<std::string> missing;
  for (const MissingRegime& regime : outcome.missing)
    missing.push_back(regime.name + ": " + regime.reason);
  list("Left out", missing);
  list("Not run, or to be kept in mind", outcome.not_run);
  return text;
}

}  // namespace flatenn::study
