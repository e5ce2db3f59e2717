#pragma once

#include <span>

#include "study/train_arm.h"

namespace flatenn::study {

/// How many trainings run at once: StudyOptions::jobs where given, else on the CPU the cores
/// divided by the threads of one training, and one a GPU. Throws Error for more on a GPU, which
/// trains one network as fast as two.
int64_t side_by_side(const StudyOptions& options, const Training& training);

/// Trains networks of one seed, `jobs` at once, each in its folder of `runs`, under one progress
/// line. Returns their statuses in order. The first Error ends it when the trainings under way
/// have ended.
std::vector<ArmStatus> train_side_by_side(ArmTrainer& trainer, std::span<const Training> trainings,
                                          const std::filesystem::path& runs, int64_t jobs,
                                          bool quiet);

}  // namespace flatenn::study
