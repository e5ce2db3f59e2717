#include "flatenn/base/error.h"
#include "report/format.h"
#include "report/sections.h"

namespace flatenn::report {
namespace {

constexpr double kPercent = 100;

bool is_chosen(const nlohmann::json& tuning, const nlohmann::json& candidate) {
  const nlohmann::json chosen = tuning.value("chosen", nlohmann::json::object());
  const auto arm = chosen.find(candidate.at("arm").get<std::string>());
  if (arm == chosen.end()) return false;
  std::string settings;
  for (const nlohmann::json& setting : *arm)
    settings += (settings.empty() ? "" : " ") + setting.get<std::string>();
  return settings == candidate.at("setting").get<std::string>();
}

/// "1 %, 2 %". Tunings of older versions have one rate.
std::string rates_text(const nlohmann::json& tuning) {
  const nlohmann::json rates =
      tuning.contains("rates") ? tuning["rates"] : nlohmann::json{tuning.at("rate")};
  std::string text;
  for (const nlohmann::json& rate : rates) text += (text.empty() ? "" : ", ") + rate_percent(rate);
  return text;
}

/// Choices that stand where the search ended, and arms without any.
std::string open_ends(const nlohmann::json& tuning) {
  const auto at_edge = tuning.value("at_edge", nlohmann::json::object());
  const auto diverged = tuning.value("diverged", nlohmann::json::array());
  std::string text;
  for (const auto& [arm, keys] : at_edge.items()) {
    for (const nlohmann::json& key : keys)
      text += (text.empty() ? " Still at the edge of what was tried: " : "; ") + arm + ", " +
              key.get<std::string>();
  }
  if (!text.empty()) text += ".";
  for (const nlohmann::json& arm : diverged)
    text += " Every candidate of " + arm.get<std::string>() + " diverged.";
  return text;
}

Table candidate_table(const nlohmann::json& tuning) {
  Table table{
      .id = "tuning",
      .title = "Candidates",
      .caption = detail::concat(
          "Trained without ", tuning.at("hold_out").get<int64_t>(),
          " held-out training images and scored by the mean accuracy on those under ",
          tuning.at("trials").get<int64_t>(), " fault maps of each kind at ", rates_text(tuning),
          ", seed ", tuning.at("seed").get<uint64_t>(),
          ". The study's test images and fault maps were not looked at.", open_ends(tuning)),
      .columns = {{"Network", 0, "arm"},
                  {"Setting", 0, "setting"},
                  {"Under faults (%)", 2, "faulty_accuracy_percent"},
                  {"No faults (%)", 2, "accuracy_percent"},
                  {"Zeros (%)", 1, "sparsity_percent"},
                  {"Chosen", 0, "chosen"}},
      .rows = {}};
  for (const nlohmann::json& candidate : tuning.at("candidates")) {
    table.rows.push_back({candidate.at("arm").get<std::string>(),
                          candidate.at("setting").get<std::string>(),
                          kPercent * candidate.at("faulty_accuracy").get<double>(),
                          kPercent * candidate.at("accuracy").get<double>(),
                          kPercent * candidate.at("sparsity").get<double>(),
                          is_chosen(tuning, candidate) ? "yes" : ""});
  }
  return table;
}

}  // namespace

Section tuning_section(const Findings& findings) {
  Section section{.id = "tuning", .title = "How settings were chosen"};
  for (const Artifact& artifact : findings.artifacts) {
    if (artifact.kind != "tuning") continue;
    Table table = candidate_table(artifact.content);
    if (!section.blocks.empty()) table.id += "-" + std::to_string(section.blocks.size());
    section.blocks.emplace_back(std::move(table));
  }
  return section;
}

}  // namespace flatenn::report
