#include "flatenn/train/schedule.h"

#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn::train {
namespace {

TEST(Schedule, CosineGoesFromThePeakThroughTheMiddleToNearZero) {
  const Schedule schedule{.kind = ScheduleKind::kCosine, .learning_rate = 0.4};
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 0, 100, 10), 0.4);
  EXPECT_NEAR(learning_rate_at(schedule, 25, 100, 10), 0.4 * 0.853553390593, 1e-12);
  EXPECT_NEAR(learning_rate_at(schedule, 50, 100, 10), 0.2, 1e-12);
  EXPECT_NEAR(learning_rate_at(schedule, 99, 100, 10), 0.4 * 0.000246719817, 1e-12);
}

TEST(Schedule, CosineEndsAtItsFinalFraction) {
  const Schedule schedule{.kind = ScheduleKind::kCosine, .learning_rate = 1, .final_fraction = 0.1};
  EXPECT_NEAR(learning_rate_at(schedule, 50, 100, 10), 0.55, 1e-12);
}

TEST(Schedule, WarmUpRisesLinearlyAndEndsOnThePeak) {
  const Schedule schedule{
      .kind = ScheduleKind::kCosine, .learning_rate = 0.1, .warmup_epochs = 0.5};
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 0, 100, 10), 0.02);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 4, 100, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 5, 100, 10), 0.1);
}

TEST(Schedule, StepsFallAtTheirEpochs) {
  const Schedule schedule{
      .kind = ScheduleKind::kStep, .learning_rate = 0.1, .at_epochs = {3, 4.5}, .step_factor = 0.5};
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 29, 100, 10), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 30, 100, 10), 0.05);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 44, 100, 10), 0.05);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 45, 100, 10), 0.025);
}

TEST(Schedule, ConstantStaysAfterTheWarmUp) {
  const Schedule schedule{
      .kind = ScheduleKind::kConstant, .learning_rate = 0.3, .warmup_epochs = 1};
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 1, 40, 4), 0.15);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 39, 40, 4), 0.3);
}

TEST(Schedule, RefusesAStepOutsideTheTraining) {
  EXPECT_THROW(learning_rate_at(Schedule{}, 100, 100, 10), Error);
}

}  // namespace
}  // namespace flatenn::train
