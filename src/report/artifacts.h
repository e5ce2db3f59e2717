#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flatenn/report/findings.h"
#include "report/arm.h"

namespace flatenn::report {

/// One result of an analysis command with the model it is about (docs/formats.md).
struct ModelArtifact {
  std::string model;  ///< Its name.
  std::string hash;
  std::string arm;  ///< In legends: that of all training seeds; the model's name where it has none.
  Style style;      ///< The look of the model's arm in all figures.
  const nlohmann::json* result = nullptr;
};

/// Artifacts of one kind that are whole, in the order found.
std::vector<ModelArtifact> model_artifacts(const Findings& findings, const std::string& kind);

/// What bit flips cost a model in the campaigns, at the level whose rate is nearest to 1 %.
struct CampaignPoint {
  double rate = 0;
  double accuracy = 0;       ///< Mean over maps.
  double accuracy_loss = 0;  ///< Golden minus that.
};
std::optional<CampaignPoint> near_one_percent(const Findings& findings, const std::string& hash);

}  // namespace flatenn::report
