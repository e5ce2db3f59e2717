#pragma once

#include "flatenn/train/config.h"
#include "flatenn/train/records.h"

namespace flatenn::train {

/// Adds what a user should know of a training that ended: an accuracy as of guessing, a sparsity
/// far from its target.
void warn_of_result(const TrainConfig& config, RunResult& result);

}  // namespace flatenn::train
