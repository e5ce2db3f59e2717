#pragma once

#include "study/plan_arms.h"
#include "study/train_arm.h"

namespace flatenn::study {

/// For each arm, trains every candidate of its recipe, and as many more as its budget has, which
/// the scores propose (widen.h), without the held-out training images (side by side where the study
/// is), and chooses the one with the highest mean accuracy on these under the tuning's fault maps,
/// over the campaign's kinds. What they start from is trained without those images too. Leaves each
/// score as out/tune/NAME/score.json, and all, with the choice for every arm whose candidates are
/// scored, as out/tune.json. Candidates scored there are not tried again, so calls for other arms
/// may run beside this one. False where it was asked to stop.
bool tune_settings(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer);

/// The settings chosen in out/tune.json; empty where there is none.
TunedSettings read_tuned_settings(const std::filesystem::path& out);

/// Arms all of whose candidates diverged, by out/tune.json: they have no setting.
std::vector<std::string> read_diverged_searches(const std::filesystem::path& out);

}  // namespace flatenn::study
