#pragma once

#include "flatenn/data/image_set.h"
#include "flatenn/engine/engine.h"
#include "study/plan_arms.h"

namespace flatenn::study {

/// The campaign over all layers with the definition's rates, which the claims look at; plans of one
/// campaign have names that begin with its own.
inline constexpr const char* kAllLayers = "all layers";

/// What a network's campaign is called in the database: "all layers: saq-sparse-seed1".
std::string campaign_name(const std::string& question, const Training& training);

/// What runs networks on this device, or on the first of several.
engine::EngineOptions engine_on(const StudyOptions& options);

/// Runs the definition's campaigns on a trained network, into out/campaign.db; finished trials are
/// kept. All networks meet the same maps. False where it was asked to stop.
bool run_campaigns(const Definition& definition, const StudyOptions& options,
                   const Training& training, const std::filesystem::path& model,
                   std::shared_ptr<const data::ImageSet> images);

/// "all layers: saq-sparse-seed1: 40 of 1050 trials" for every campaign of these networks that is
/// not finished in out/campaign.db.
std::vector<std::string> open_campaigns(const Definition& definition, const StudyOptions& options,
                                        const std::vector<Training>& trainings);

/// The commands that do the same.
std::vector<std::string> campaign_commands(const Definition& definition,
                                           const StudyOptions& options, const Training& training,
                                           const std::filesystem::path& model);

}  // namespace flatenn::study
