#pragma once

#include <cstdint>
#include <vector>

namespace flatenn::train {

enum class ScheduleKind { kConstant, kCosine, kStep };

/// How the learning rate moves over a training, in steps of the optimizer.
struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double learning_rate = 0.05;    ///< The peak, reached after the warm-up.
  double final_fraction = 0;      ///< Of the peak, where the cosine ends.
  double warmup_epochs = 0;       ///< Linear rise from peak / warm-up steps to the peak.
  std::vector<double> at_epochs;  ///< Step kind: where the rate is multiplied by step_factor.
  double step_factor = 0.1;
};

/// The learning rate of optimizer step `step` in [0, total_steps). With W warm-up steps:
///   step < W: peak * (step + 1) / W
///   cosine:   peak * (f + (1 - f) * (1 + cos(pi * (step - W) / (total - W))) / 2)
///   step:     peak * factor^(number of at_epochs that `step` has reached)
/// Loshchilov and Hutter, "SGDR", arXiv:1608.03983, eq. (5) without restarts.
double learning_rate_at(const Schedule& schedule, int64_t step, int64_t total_steps,
                        int64_t steps_per_epoch);

}  // namespace flatenn::train
