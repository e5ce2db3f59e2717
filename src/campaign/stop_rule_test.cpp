#include "flatenn/campaign/stop_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "flatenn/base/random.h"
#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {
namespace {

TEST(StopRule, ChecksAtTwentyThenAtHalfAsManyMore) {
  std::vector<int64_t> checkpoints;
  for (int64_t n = next_checkpoint(0); n < 400; n = next_checkpoint(n)) checkpoints.push_back(n);
  EXPECT_EQ(checkpoints, (std::vector<int64_t>{20, 30, 45, 67, 100, 150, 225, 337}));
}

TEST(StopRule, TakesTheSmallestCheckpointThatDoesAndNoLaterTrial) {
  const StopRule rule{.max_trials = 1000, .half_width = 0.01, .sd_floor = 1e-4};
  RandomStream random(1, 0, RandomPurpose::kPilot);
  std::vector<double> values;
  for (int i = 0; i < 500; ++i) values.push_back(0.9 + 0.03 * random.normal());
  const StopRule::Decision at_once = rule.decide(values);
  EXPECT_EQ(at_once.reason, StopReason::kHalfWidth);
  for (size_t n = 0; n <= values.size(); ++n) {
    const StopRule::Decision decision = rule.decide(std::span(values).first(n));
    if (static_cast<int64_t>(n) < at_once.trials) {
      EXPECT_EQ(decision.reason, StopReason::kRunning) << n;
      EXPECT_GT(decision.wanted, static_cast<int64_t>(n));
    } else {
      EXPECT_EQ(decision.trials, at_once.trials) << n;
    }
  }
}

TEST(StopRule, EqualTrialsDoNotLookLikeCertainty) {
  const std::vector<double> equal(20, 0.9);
  const StopRule coarse{.max_trials = 1000, .half_width = 0.002, .sd_floor = 1.0 / 100};
  const StopRule fine{.max_trials = 1000, .half_width = 0.002, .sd_floor = 1.0 / 10'000};
  EXPECT_EQ(coarse.decide(equal).reason, StopReason::kRunning);
  EXPECT_EQ(fine.decide(equal).reason, StopReason::kHalfWidth);
}

TEST(StopRule, EndsAtTheUpperBound) {
  const StopRule rule{.max_trials = 25, .half_width = 1e-6, .sd_floor = 1e-4};
  const std::vector<double> values(30, 0.5);
  EXPECT_EQ(rule.decide(std::span(values).first(20)).wanted, 25);
  EXPECT_EQ(rule.decide(values).reason, StopReason::kTrials);
  EXPECT_EQ(rule.decide(values).trials, 25);
  const StopRule plain{.max_trials = 3};
  EXPECT_EQ(plain.decide(std::span(values).first(2)).reason, StopReason::kRunning);
  EXPECT_EQ(plain.decide(values).trials, 3);
}

/// Accuracies of random maps: symmetric, bounded, and with more small losses than large ones
/// (skewness -0.95; docs/statistics.md tells what stronger skew does).
double normal_accuracy(RandomStream& random) { return 0.9 + 0.03 * random.normal(); }
double bounded_accuracy(RandomStream& random) { return 0.5 + 0.4 * random.uniform(); }
double skewed_accuracy(RandomStream& random) {
  return 0.95 - 0.04 * std::exp(0.3 * random.normal());
}

/// The interval that docs/statistics.md says to read of a sample that a half-width rule ended.
Interval interval_to_read(const Summary& sample) {
  return std::abs(sample.skew) > 0.5 ? skew_interval(sample, 0.97)
                                     : student_interval(sample.mean, sample.sd, sample.count);
}

struct Coverage {
  double student = 0;
  double to_read = 0;
};

/// Shares of sequential campaigns whose intervals hold the true mean.
template <typename Draw>
Coverage coverage(Draw draw, double truth, double half_width) {
  constexpr uint64_t kCampaigns = 2000;
  Coverage held;
  for (uint64_t campaign = 0; campaign < kCampaigns; ++campaign) {
    RandomStream random(7, campaign, RandomPurpose::kPilot);
    const StopRule rule{.max_trials = 1000, .half_width = half_width, .sd_floor = 1e-4};
    std::vector<double> values;
    StopRule::Decision decision = rule.decide(values);
    while (decision.reason == StopReason::kRunning) {
      while (static_cast<int64_t>(values.size()) < decision.wanted) values.push_back(draw(random));
      decision = rule.decide(values);
    }
    const Summary summary =
        summarize(std::span(values).first(static_cast<size_t>(decision.trials)));
    held.student += student_interval(summary.mean, summary.sd, summary.count).contains(truth);
    held.to_read += interval_to_read(summary).contains(truth);
  }
  return {held.student / kCampaigns, held.to_read / kCampaigns};
}

TEST(StopRule, IntervalsOfStoppedCampaignsCoverAtLeast93Percent) {
  const double skewed_mean = 0.95 - 0.04 * std::exp(0.045);
  for (const double half_width : {0.02, 0.007, 0.004}) {
    const auto expect_covered = [&](const Coverage& got, const char* what) {
      EXPECT_GE(got.student, 0.93) << what << ", " << half_width;
      EXPECT_GE(got.to_read, 0.93) << what << ", " << half_width;
    };
    expect_covered(coverage(normal_accuracy, 0.9, half_width), "normal");
    expect_covered(coverage(bounded_accuracy, 0.7, 10 * half_width), "uniform");
    expect_covered(coverage(skewed_accuracy, skewed_mean, half_width), "skewed");
  }
}

/// Lognormal losses of skewness 2.3, where Student's interval covers less.
TEST(StopRule, TheIntervalToReadCoversAtLeast93PercentUnderStrongSkew) {
  constexpr double kSigma = 0.6;
  const auto draw = [](RandomStream& random) {
    return 0.95 - 0.04 * std::exp(kSigma * random.normal());
  };
  const double truth = 0.95 - 0.04 * std::exp(kSigma * kSigma / 2);
  double least_of_student = 1;
  for (const double half_width : {0.1, 0.0126, 0.0095, 0.0079, 0.0063, 0.0047}) {
    const Coverage got = coverage(draw, truth, half_width);
    EXPECT_GE(got.to_read, 0.93) << half_width;
    least_of_student = std::min(least_of_student, got.student);
  }
  EXPECT_LT(least_of_student, 0.93) << "else the other interval is not needed";
}

}  // namespace
}  // namespace flatenn::campaign
