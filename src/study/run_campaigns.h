#pragma once

#include "study/plan_arms.h"

namespace flatenn::study {

/// What a network's campaign is called in the database: "all layers: saq-sparse-seed1".
std::string campaign_name(const std::string& question, const Training& training);

/// Runs the definition's campaigns on a trained network, into out/campaign.db; finished trials are
/// kept. All networks meet the same maps. False where it was asked to stop.
bool run_campaigns(const Definition& definition, const StudyOptions& options,
                   const Training& training, const std::filesystem::path& model);
/// The commands that do the same.
std::vector<std::string> campaign_commands(const Definition& definition,
                                           const StudyOptions& options, const Training& training,
                                           const std::filesystem::path& model);

}  // namespace flatenn::study
