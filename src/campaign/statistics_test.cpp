#include "flatenn/campaign/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "campaign/distributions.h"
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

/// Ends of the interval by the definition: every resample drawn value by value from std's
/// generator.
Interval naive_bootstrap(const std::vector<double>& values) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<size_t> place(0, values.size() - 1);
  const double mean = summarize(values).mean;
  std::vector<double> means(1000);
  for (double& resampled : means) {
    resampled = 0;
    for (size_t i = 0; i < values.size(); ++i) resampled += values[place(random)];
    resampled /= static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  const auto below = std::lower_bound(means.begin(), means.end(), mean) - means.begin();
  const double z0 = normal_quantile(static_cast<double>(below) / 1000);
  const double a = summarize(values).skew / (6 * std::sqrt(static_cast<double>(values.size())));
  const auto end = [&](double tail) {
    const double z = z0 + normal_quantile(tail);
    return sorted_quantile(means, normal_cdf(z0 + z / (1 - a * z)));
  };
  return {end(0.025), end(0.975)};
}

/// Samples on either side of the size from which counts are drawn, with few distinct values.
TEST(Bootstrap, OfManyValuesHasTheLawOfDrawingEach) {
  for (const size_t size : {size_t{9'999}, size_t{10'400}, size_t{30'000}}) {
    std::vector<double> values(size, 0.9);
    for (size_t i = 0; i < size / 100; ++i) values[i] = 0.1 + 0.05 * static_cast<double>(i % 10);
    const Summary summary = summarize(values);
    const double error = summary.sd / std::sqrt(static_cast<double>(size));
    const Interval naive = naive_bootstrap(values);
    const Interval drawn = bootstrap_interval(values, 5);
    // An end's standard error is 0.06 and 0.08 of the mean's for 2,000 and 1,000 resamples.
    EXPECT_NEAR(drawn.low, naive.low, 0.35 * error) << size;
    EXPECT_NEAR(drawn.high, naive.high, 0.35 * error) << size;
    EXPECT_NEAR(drawn.half_width(), 1.96 * error, 0.2 * error) << size;
  }
}

/// At the fewest values that have a skewness, and at more.
TEST(SkewPValue, IsBelowALevelJustWhereTheIntervalLeavesZeroOut) {
  for (const int count : {3, 4, 12}) {
    int below = 0;
    for (uint64_t trial = 0; trial < 200; ++trial) {
      RandomStream stream(8, trial, RandomPurpose::kPilot);
      std::vector<double> values;
      for (int i = 0; i < count; ++i) values.push_back(std::exp(stream.normal()) - 0.4);
      const Summary summary = summarize(values);
      const bool leaves_out = !skew_interval(summary).contains(0);
      EXPECT_EQ(skew_p_value(summary) < 0.05, leaves_out) << count << " " << trial;
      below += leaves_out;
    }
    EXPECT_GT(below, 0);
    EXPECT_LT(below, 200);
  }
}

/// So few resamples often lie on one side of the mean.
TEST(Bootstrap, OfFewResamplesStaysWithinTheValues) {
  const std::array values = {0.0, 0.1, 0.2, 0.9, 1.0};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const Interval interval = bootstrap_interval(values, seed, 0.95, 2);
    EXPECT_GE(interval.low, 0) << seed;
    EXPECT_LE(interval.low, interval.high) << seed;
    EXPECT_LE(interval.high, 1) << seed;
  }
  EXPECT_THROW(bootstrap_interval(values, 1, 0.95, 1), Error);
  EXPECT_THROW(bootstrap_interval({}, 1), Error);
  for (const double confidence : {0.0, 1.0}) {
    EXPECT_THROW(bootstrap_interval(values, 1, confidence), Error);
    EXPECT_THROW(clopper_pearson(1, 2, confidence), Error);
    EXPECT_THROW(student_interval(0, 1, 5, confidence), Error);
  }
}

}  // namespace
}  // namespace flatenn::campaign
