#include "flatenn/campaign/compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

PlanResult plan_of(double mean, uint64_t seed, double golden = 0.9, uint64_t noise = 1) {
  PlanResult plan{.name = "p",
                  .settings_json = "{}",
                  .dataset = "mnist",
                  .dataset_images = 10'000,
                  .seed = seed,
                  .models = {{.name = "net", .golden_accuracy = golden, .weight_bits = 100}},
                  .kinds = {"bit_flip"},
                  .levels = {{.rate = 0.01, .label = "0.01"}}};
  CellResult cell{.images = 10'000};
  RandomStream random(noise, 0, RandomPurpose::kPilot);
  for (int i = 0; i < 50; ++i) cell.accuracies.push_back(mean + 0.05 * random.normal());
  cell.accuracy = summarize(cell.accuracies);
  plan.cells = {cell};
  return plan;
}

TEST(ComparePlans, PairsTrialsThatMetTheSameMaps) {
  const PlanComparison got = compare_plans(plan_of(0.8, 5), plan_of(0.79, 5), 0);
  ASSERT_EQ(got.cells.size(), 2U);
  EXPECT_EQ(got.cells[0].kind, "") << "without faults first";
  EXPECT_FALSE(got.cells[0].regression);
  EXPECT_TRUE(got.cells[1].paired);
  EXPECT_NEAR(got.cells[1].difference, -0.01, 1e-12);
  EXPECT_TRUE(got.cells[1].regression) << "maps have equal noise: the loss is sure";
  EXPECT_TRUE(got.has_regression());
  EXPECT_FALSE(compare_plans(plan_of(0.8, 5), plan_of(0.79, 5), 0.02).has_regression());
}

TEST(ComparePlans, DoesNotPairOtherMaps) {
  // Welch on these samples, worked in SciPy's way: 0.05 of noise over 50 maps hides one point.
  const PlanComparison got = compare_plans(plan_of(0.8, 5), plan_of(0.79, 6, 0.9, 2), 0);
  EXPECT_FALSE(got.cells[1].paired);
  EXPECT_FALSE(got.cells[1].regression);
  EXPECT_TRUE(compare_plans(plan_of(0.8, 5), plan_of(0.6, 6, 0.9, 2), 0).cells[1].regression);
}

TEST(ComparePlans, WelchIntervalIsTheTextbooks) {
  PlanResult a = plan_of(0, 1), b = plan_of(0, 2);
  a.cells[0].accuracy = {.count = 10, .mean = 0.50, .sd = 0.04};
  b.cells[0].accuracy = {.count = 20, .mean = 0.55, .sd = 0.10};
  const CellComparison got = compare_plans(a, b, 0).cells[1];
  // se = sqrt(0.00016 + 0.0005) = 0.02569047; df = 27.2210; t(0.975) = 2.05103.
  EXPECT_NEAR(got.difference, 0.05, 1e-12);
  EXPECT_NEAR(got.ci.half_width(), 2.0510 * 0.02569047, 2e-5);
}

TEST(ComparePlans, EqualFilesDifferByNothing) {
  const PlanComparison got = compare_plans(plan_of(0.8, 5), plan_of(0.8, 5), 0);
  EXPECT_FALSE(got.has_regression());
  EXPECT_EQ(got.cells[1].ci, (Interval{0, 0}));
}

TEST(ComparePlans, FaultFreeLossIsARegressionToo) {
  EXPECT_TRUE(compare_plans(plan_of(0.8, 5), plan_of(0.8, 5, 0.88), 0.01).cells[0].regression);
  EXPECT_FALSE(compare_plans(plan_of(0.8, 5), plan_of(0.8, 5, 0.895), 0.01).cells[0].regression);
}

TEST(ComparePlans, NamesWhatOnlyOneFileHas) {
  PlanResult other = plan_of(0.8, 5);
  other.kinds = {"stuck_at_0"};
  EXPECT_EQ(compare_plans(plan_of(0.8, 5), other, 0).unmatched,
            (std::vector<std::string>{"kind bit_flip (first file only)"}));
}

TEST(ComparePlans, CellsThatTellNoImagesHaveNoFloor) {
  PlanResult a = plan_of(0.8, 5), b = plan_of(0.7, 6, 0.9, 2);
  const Interval with = compare_plans(a, b, 0).cells[1].ci;
  a.cells[0].images = b.cells[0].images = 0;
  EXPECT_EQ(compare_plans(a, b, 0).cells[1].ci, with) << "the spread is above the floor anyway";
}

/// Twice the tail beyond |t|: 1 for equal means, and 0.05 just where the interval ends at 0.
TEST(ComparePlans, WelchPValueFitsItsInterval) {
  for (const double gap : {-0.06, -0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03, 0.06}) {
    const CellComparison got =
        compare_plans(plan_of(0.8, 5), plan_of(0.8 + gap, 6, 0.9, 2), 0).cells[1];
    ASSERT_FALSE(got.paired);
    EXPECT_EQ(got.p_value < 0.05, !got.ci.contains(0)) << gap;
    EXPECT_LE(got.p_value, 1);
  }
  PlanResult a = plan_of(0.8, 5), b = plan_of(0.8, 6);
  b.cells[0].accuracy = a.cells[0].accuracy;
  EXPECT_NEAR(compare_plans(a, b, 0).cells[1].p_value, 1, 1e-12);
}

}  // namespace
}  // namespace flatenn::campaign
