#include "flatenn/train/schedule.h"

#include <cmath>
#include <numbers>

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

double cosine(const Schedule& schedule, double progress) {
  const double f = schedule.final_fraction;
  return f + (1 - f) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

double stairs(const Schedule& schedule, double epoch) {
  double factor = 1;
  for (const double boundary : schedule.at_epochs) {
    if (epoch >= boundary) factor *= schedule.step_factor;
  }
  return factor;
}

}  // namespace

double learning_rate_at(const Schedule& schedule, int64_t step, int64_t total_steps,
                        int64_t steps_per_epoch) {
  FLATENN_CHECK(step >= 0 && step < total_steps && steps_per_epoch > 0,
                "learning_rate_at: step must be in [0, ", total_steps, "), got ", step);
  const auto per_epoch = static_cast<double>(steps_per_epoch);
  const int64_t warmup = std::llround(schedule.warmup_epochs * per_epoch);
  if (step < warmup)
    return schedule.learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup);
  switch (schedule.kind) {
    case ScheduleKind::kCosine: {
      const double progress =
          static_cast<double>(step - warmup) / static_cast<double>(total_steps - warmup);
      return schedule.learning_rate * cosine(schedule, progress);
    }
    case ScheduleKind::kStep:
      return schedule.learning_rate * stairs(schedule, static_cast<double>(step) / per_epoch);
    case ScheduleKind::kConstant:
      break;
  }
  return schedule.learning_rate;
}

}  // namespace flatenn::train
