#include <gtest/gtest.h>

#include <cmath>

#include "campaign/analysis.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

constexpr double kGolden = 0.9;

/// A cell whose interval is mean +- half.
CellResult cell_at(int64_t level, double mean, double half) {
  CellResult cell{.level = level};
  cell.accuracy = {.count = 50, .mean = mean};
  cell.ci = {mean - half, mean + half};
  return cell;
}

/// One network under one kind of fault, with a drop of one point tolerated.
PlanResult plan_of(const std::vector<double>& rates) {
  PlanResult plan{.tolerated_drop = 0.01, .models = {{.golden_accuracy = kGolden}}, .kinds = {"k"}};
  for (const double rate : rates) plan.levels.push_back({.rate = rate});
  return plan;
}

PlanResult curve(const std::vector<double>& rates, const std::vector<double>& losses,
                 double half = 0.001) {
  PlanResult plan = plan_of(rates);
  for (size_t i = 0; i < losses.size(); ++i)
    plan.cells.push_back(cell_at(static_cast<int64_t>(i), kGolden - losses[i], half));
  return plan;
}

ToleranceResult only(const PlanResult& plan) { return find_tolerances(plan).at(0); }

TEST(Tolerance, IsExactWhereTheLossGrowsAsAPowerOfTheRate) {
  // loss = 0.001 (p / 0.001)^2: a point is lost at 0.001 sqrt(10).
  const ToleranceResult got = only(curve({0.0005, 0.001, 0.01}, {0.00025, 0.001, 0.1}));
  EXPECT_NEAR(got.rate, 0.001 * std::sqrt(10.0), 1e-9);
  EXPECT_EQ(got.ci, (Interval{0.001, 0.01}));
  EXPECT_FALSE(got.below || got.low_below || got.beyond || got.high_beyond);
}

TEST(Tolerance, IsBracketedByMeasuredRatesThatAreSure) {
  // At 0.002 and 0.003 the interval holds the wanted accuracy: neither is sure.
  const ToleranceResult got =
      only(curve({0.001, 0.002, 0.003, 0.004}, {0.001, 0.009, 0.011, 0.05}, 0.005));
  EXPECT_EQ(got.ci, (Interval{0.001, 0.004}));
  EXPECT_GT(got.rate, 0.002);
  EXPECT_LT(got.rate, 0.003);
}

TEST(Tolerance, SaysOnWhichSideOfTheMeasuredRatesItLies) {
  struct Case {
    std::vector<double> losses;
    double half;
    double rate;
    Interval bracket;
    bool below, low_below, beyond, high_beyond;
  };
  const std::vector<Case> cases = {
      // Even the lowest rate surely costs more, probably does, or may.
      {{0.2, 0.5}, 0.001, 0.01, {0.01, 0.01}, true, true, false, false},
      {{0.011, 0.5}, 0.005, 0.01, {0.01, 0.1}, true, true, false, false},
      {{0.009, 0.009}, 0.005, 0.1, {0.01, 0.1}, false, true, true, true},
      // The highest surely keeps it, or may.
      {{0.001, 0.002}, 0.001, 0.1, {0.1, 0.1}, false, false, true, true},
      {{0.001, 0.009}, 0.005, 0.1, {0.01, 0.1}, false, false, true, true}};
  for (const Case& want : cases) {
    const ToleranceResult got = only(curve({0.01, 0.1}, want.losses, want.half));
    EXPECT_EQ(got.rate, want.rate);
    EXPECT_EQ(got.ci, want.bracket);
    EXPECT_EQ(got.below, want.below) << want.losses[0];
    EXPECT_EQ(got.low_below, want.low_below) << want.losses[0];
    EXPECT_EQ(got.beyond, want.beyond) << want.losses[1];
    EXPECT_EQ(got.high_beyond, want.high_beyond) << want.losses[1];
  }
}

TEST(Tolerance, FromRateZeroNothingLiesBelow) {
  const ToleranceResult got = only(curve({0, 0.01}, {0, 0.04}));
  EXPECT_NEAR(got.rate, 0.0025, 1e-9) << "in proportion";
  EXPECT_EQ(got.ci, (Interval{0, 0.01}));
  EXPECT_FALSE(got.below || got.low_below);
  EXPECT_NEAR(only(curve({0, 0.01}, {0.002, 0.042})).rate, 0.002, 1e-9)
      << "a loss that noise made at rate 0";
}

TEST(Tolerance, LeavesOutRatesWithoutTrialsAndNetworksWithoutAny) {
  PlanResult plan = curve({0.001, 0.002, 0.003}, {0.001, 0.5, 0.02});
  plan.cells[1].accuracy = {};
  EXPECT_EQ(only(plan).ci, (Interval{0.001, 0.003}));
  for (CellResult& cell : plan.cells) cell.accuracy = {};
  EXPECT_TRUE(find_tolerances(plan).empty());
}

TEST(Tolerance, ReadsHallsIntervalWhereThereIsOne) {
  PlanResult plan = curve({0.001, 0.002, 0.004}, {0.001, 0.009, 0.05});
  plan.cells[1].ci = {kGolden - 0.0095, kGolden - 0.0085};
  EXPECT_EQ(only(plan).ci.low, 0.002);
  plan.cells[1].skew_ci = Interval{kGolden - 0.012, kGolden - 0.008};
  EXPECT_EQ(only(plan).ci.low, 0.001);
}

/// Loss over maps at rate p: 0.01 (p / 0.004)^1.5 in the mean, lognormal and nested: a map has one
/// factor at all rates.
double loss_at(double rate, double factor) { return 0.01 * std::pow(rate / 0.004, 1.5) * factor; }

double map_factor(RandomStream& random) {
  constexpr double kSigma = 0.6;  // skewness 2.3
  return std::exp(kSigma * random.normal() - kSigma * kSigma / 2);
}

/// A cell of these accuracies as analyse_cell() makes it, without what brackets do not look at.
CellResult cell_of(int64_t level, const std::vector<double>& accuracies) {
  CellResult cell{.level = level};
  cell.accuracy = summarize(accuracies);
  cell.ci = student_interval(cell.accuracy.mean, cell.accuracy.sd, cell.accuracy.count);
  if (is_skewed(cell.accuracy))
    cell.skew_ci = skew_interval(cell.accuracy, level_of_skewed(/*stopped_by_looking=*/false));
  return cell;
}

/// How often the bracket holds the true 0.004 in campaigns of `trials` maps at these rates.
double coverage(const std::vector<double>& rates, int64_t trials) {
  constexpr int kCampaigns = 2000;
  int held = 0;
  for (int campaign = 0; campaign < kCampaigns; ++campaign) {
    RandomStream random(5, static_cast<uint64_t>(campaign), RandomPurpose::kPilot);
    std::vector<double> factors;
    for (int64_t i = 0; i < trials; ++i) factors.push_back(map_factor(random));
    PlanResult plan = plan_of(rates);
    for (size_t level = 0; level < rates.size(); ++level) {
      std::vector<double> accuracies;
      for (const double factor : factors)
        accuracies.push_back(std::round(10'000 * (kGolden - loss_at(rates[level], factor))) /
                             10'000);
      plan.cells.push_back(cell_of(static_cast<int64_t>(level), accuracies));
    }
    const ToleranceResult got = only(plan);
    held += (got.low_below || got.ci.low <= 0.004) && (got.high_beyond || got.ci.high >= 0.004);
  }
  return static_cast<double>(held) / kCampaigns;
}

TEST(Tolerance, BracketsHoldTheTruthAtLeastAsOftenAsTheySay) {
  std::vector<double> fine;
  for (double rate = 0.001; rate < 0.02; rate *= 1.1) fine.push_back(rate);
  for (const int64_t trials : {20, 100}) {
    EXPECT_GE(coverage({0.001, 0.01}, trials), 0.95) << trials;
    EXPECT_GE(coverage({0.001, 0.0038, 0.0042, 0.01}, trials), 0.94) << trials;
    EXPECT_GE(coverage(fine, trials), 0.94) << trials;
  }
}

}  // namespace
}  // namespace flatenn::campaign
