#pragma once

#include "study/plan_arms.h"
#include "study/train_arm.h"

namespace flatenn::study {

/// For each arm, trains every candidate of its recipe without the held-out training images, and
/// chooses the one with the highest mean accuracy on these under the tuning's fault maps, over the
/// campaign's kinds. What they start from is trained without those images too. Writes out/tune.json
/// with every candidate and its score; candidates finished there are not tried again. False where
/// it was asked to stop.
bool tune_settings(const Definition& definition, const StudyOptions& options, ArmTrainer& trainer);

/// The settings chosen in out/tune.json; empty where there is none.
TunedSettings read_tuned_settings(const std::filesystem::path& out);

}  // namespace flatenn::study
