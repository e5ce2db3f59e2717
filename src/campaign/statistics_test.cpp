#include "flatenn/campaign/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TEST(Summarize, GivesTheTextbookValues) {
  const std::array values = {2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0};
  const Summary summary = summarize(values);
  EXPECT_EQ(summary.count, 8);
  EXPECT_DOUBLE_EQ(summary.mean, 5);
  EXPECT_DOUBLE_EQ(summary.sd, std::sqrt(32.0 / 7));
  EXPECT_DOUBLE_EQ(summary.median, 4.5);
  EXPECT_DOUBLE_EQ(summary.min, 2);
  EXPECT_DOUBLE_EQ(summary.p5, 2 + 0.35 * 2);
  // m3 = (-27 - 3 + 8 + 64) / 8, m2 = 4.
  EXPECT_DOUBLE_EQ(summary.skew, 42.0 / 8 / 8);
}

TEST(Summarize, EqualValuesHaveNoSpreadWhateverTheirSumRoundsTo) {
  const std::vector<double> values(49, 0.1);
  EXPECT_EQ(summarize(values).mean, 0.1);
  EXPECT_EQ(summarize(values).sd, 0);
  EXPECT_EQ(summarize({}).count, 0);
}

TEST(StudentInterval, GivesAPublishedExample) {
  // NIST/SEMATECH e-Handbook 1.3.5.2: mean of ZARR13.DAT, 195 measurements.
  const Interval interval = student_interval(9.261460, 0.022789, 195);
  EXPECT_NEAR(interval.low, 9.258242, 2e-6);
  EXPECT_NEAR(interval.high, 9.264679, 2e-6);
}

TEST(StudentInterval, OneTrialTellsNothing) {
  EXPECT_EQ(student_interval(0.9, 0, 1).half_width(), std::numeric_limits<double>::infinity());
}

/// The formula in Python, with t(0.975, 3) = 3.182446305284263.
TEST(SkewInterval, EqualsAnIndependentComputation) {
  const std::vector<double> values{1, 2, 3, 10};
  const Interval got = skew_interval(summarize(values));
  EXPECT_NEAR(got.low, 0.2261699723, 1e-9);
  EXPECT_NEAR(got.high, 19.5994553460, 1e-9);
}

TEST(SkewInterval, LeansTowardsTheLongTailAndMirrors) {
  const std::vector<double> values{1, 1.5, 2, 2, 2.5, 3, 4, 9};
  const Summary sample = summarize(values);
  const Interval skewed = skew_interval(sample);
  const Interval student = student_interval(sample.mean, sample.sd, sample.count);
  EXPECT_GT(skewed.high - sample.mean, student.high - sample.mean);
  EXPECT_LT(sample.mean - skewed.low, sample.mean - student.low);
  std::vector<double> mirrored;
  for (const double value : values) mirrored.push_back(-value);
  const Interval other = skew_interval(summarize(mirrored));
  EXPECT_NEAR(other.low, -skewed.high, 1e-12);
  EXPECT_NEAR(other.high, -skewed.low, 1e-12);
}

TEST(SkewInterval, IsStudentsWhereNothingIsSkewed) {
  const std::vector<double> values{1, 2, 3, 4, 5};
  const Summary sample = summarize(values);
  EXPECT_EQ(skew_interval(sample), student_interval(sample.mean, sample.sd, 5));
}

TEST(ClopperPearson, ReachesTheEndsOfTheRange) {
  // With no success the upper end is 1 - (0.05 / 2)^(1/n).
  EXPECT_EQ(clopper_pearson(0, 20).low, 0);
  EXPECT_NEAR(clopper_pearson(0, 20).high, 1 - std::pow(0.025, 1.0 / 20), 1e-12);
  EXPECT_EQ(clopper_pearson(20, 20).high, 1);
  EXPECT_EQ(clopper_pearson(0, 0), (Interval{0, 1}));
  EXPECT_THROW(clopper_pearson(3, 2), Error);
}

TEST(Holm, AdjustsStepDown) {
  // By hand: sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, then the running maximum.
  EXPECT_THAT(holm_adjusted(std::array{0.04, 0.01, 0.03, 0.02}),
              ElementsAre(DoubleNear(0.06, 1e-15), DoubleNear(0.04, 1e-15), DoubleNear(0.06, 1e-15),
                          DoubleNear(0.06, 1e-15)));
  EXPECT_THAT(holm_adjusted(std::array{0.9, 0.8}), ElementsAre(1, 1));
}

TEST(StudentPValue, MatchesItsInterval) {
  // The p-value is below 0.05 exactly where the 95 % interval leaves 0 out.
  for (uint64_t trial = 0; trial < 200; ++trial) {
    RandomStream stream(5, trial, RandomPurpose::kPilot);
    std::vector<double> values;
    for (int i = 0; i < 8; ++i) values.push_back(stream.normal() + 0.7);
    const Summary summary = summarize(values);
    const Interval interval = student_interval(summary.mean, summary.sd, summary.count);
    EXPECT_EQ(student_p_value(values) < 0.05, !interval.contains(0));
  }
  EXPECT_EQ(student_p_value(std::array{0.0, 0.0}), 1);
  EXPECT_EQ(student_p_value(std::array{0.5, 0.5}), 0);
}

TEST(Bootstrap, IsAFunctionOfItsSeed) {
  const std::array values = {0.1, 0.5, 0.6, 0.62, 0.7, 0.71};
  EXPECT_EQ(bootstrap_interval(values, 3), bootstrap_interval(values, 3));
  EXPECT_NE(bootstrap_interval(values, 3), bootstrap_interval(values, 4));
  EXPECT_EQ(bootstrap_interval(std::array{0.3, 0.3}, 1), (Interval{0.3, 0.3}));
}

TEST(Bootstrap, AgreesWithStudentWhereNothingIsSkewed) {
  RandomStream stream(9, 0, RandomPurpose::kPilot);
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(stream.normal());
  const Summary summary = summarize(values);
  const Interval student = student_interval(summary.mean, summary.sd, summary.count);
  const Interval bootstrap = bootstrap_interval(values, 1);
  EXPECT_NEAR(bootstrap.low, student.low, 0.1 * student.half_width());
  EXPECT_NEAR(bootstrap.high, student.high, 0.1 * student.half_width());
}

TEST(Bootstrap, LeansTowardsTheLongTail) {
  RandomStream stream(9, 0, RandomPurpose::kPilot);
  std::vector<double> values;
  for (int i = 0; i < 60; ++i) values.push_back(0.9 - 0.05 * std::exp(stream.normal()));
  const Summary summary = summarize(values);
  const Interval bootstrap = bootstrap_interval(values, 1);
  EXPECT_GT(summary.mean - bootstrap.low, bootstrap.high - summary.mean);
}

}  // namespace
}  // namespace flatenn::campaign
