#include "report/artifacts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace flatenn::report {
namespace {

constexpr double kRate = 0.01;

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<int64_t> level_nearest(const campaign::PlanResult& plan) {
  std::optional<int64_t> best;
  const auto distance = [&](int64_t level) {
    return std::abs(std::log(plan.levels[static_cast<size_t>(level)].rate / kRate));
  };
  for (int64_t level = 0; level < static_cast<int64_t>(plan.levels.size()); ++level) {
    if (plan.levels[static_cast<size_t>(level)].rate <= 0) continue;
    if (!best || distance(level) < distance(*best)) best = level;
  }
  return best;
}

}  // namespace

std::vector<ModelArtifact> model_artifacts(const Findings& findings, const std::string& kind) {
  std::vector<ModelArtifact> artifacts;
  std::map<std::string, std::set<std::string>> seeds;  // of an arm, over models
  std::map<std::string, std::set<std::string>> models;
  for (const Artifact& artifact : findings.artifacts) {
    if (artifact.kind != kind || !artifact.content.contains("result")) continue;
    const nlohmann::json metadata = artifact.content.value("metadata", nlohmann::json::object());
    const std::string recipe = text_of(metadata, "recipe");
    const std::string activation = text_of(metadata, "activation");
    artifacts.push_back(
        {.model = text_of(artifact.content, "model"),
         .hash = text_of(artifact.content, "model_hash"),
         .arm = recipe.empty() ? "" : arm_title(recipe + "/" + activation),
         .style = arm_style(recipe, activation, static_cast<int64_t>(artifacts.size())),
         .result = &artifact.content["result"]});
    seeds[artifacts.back().arm].insert(text_of(metadata, "seed"));
    models[artifacts.back().arm].insert(artifacts.back().hash);
  }
  for (size_t i = 0; i < artifacts.size(); ++i) {
    ModelArtifact& artifact = artifacts[i];
    const bool replicates = seeds[artifact.arm].size() == models[artifact.arm].size();
    if (!artifact.arm.empty() && replicates) continue;
    artifact.arm = artifact.model;
    artifact.style = arm_style("", "", static_cast<int64_t>(i));
  }
  return artifacts;
}

std::optional<CampaignPoint> near_one_percent(const Findings& findings, const std::string& hash) {
  for (const campaign::PlanResult& plan : findings.plans) {
    const auto kind = std::find(plan.kinds.begin(), plan.kinds.end(), "bit_flip");
    const auto level = level_nearest(plan);
    if (kind == plan.kinds.end() || !level) continue;
    for (size_t model = 0; model < plan.models.size(); ++model) {
      if (plan.models[model].hash != hash) continue;
      const campaign::CellResult* cell =
          plan.cell(static_cast<int64_t>(model), kind - plan.kinds.begin(), *level);
      if (cell == nullptr || cell->accuracy.count == 0) continue;
      return CampaignPoint{plan.levels[static_cast<size_t>(*level)].rate, cell->accuracy.mean,
                           plan.models[model].golden_accuracy - cell->accuracy.mean};
    }
  }
  return std::nullopt;
}

}  // namespace flatenn::report
