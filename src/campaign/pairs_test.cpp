#include <gtest/gtest.h>

#include <cmath>

#include "campaign/analysis.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

CellResult cell_of(const std::vector<double>& accuracies, int64_t images = 10'000) {
  CellResult cell;
  cell.accuracies = accuracies;
  cell.accuracy = summarize(accuracies);
  cell.images = images;
  return cell;
}

TEST(Pairs, WithoutSpreadTheDifferenceIsKnownToOneImageAtBest) {
  for (const double gap : {0.0, 0.0001, 0.02}) {
    const PairResult pair = compare_cells(cell_of(std::vector<double>(100, 0.9)),
                                          cell_of(std::vector<double>(100, 0.9 + gap)));
    // t(0.975, 99) = 1.984217, standard deviation one image of 10,000.
    EXPECT_NEAR(pair.ci.half_width(), 1.984217 * 1e-4 / 10, 1e-9) << gap;
    EXPECT_EQ(pair.sd, 0) << "as measured";
    EXPECT_GT(pair.p_value, 0) << gap;
    EXPECT_EQ(pair.p_value == 1, gap == 0) << gap;
  }
}

TEST(Pairs, OfNearlyEqualMapsAreFlooredWhateverTheirSkewness) {
  std::vector<double> almost(100, 0.9);
  almost[17] = 0.8999;  // one image on one map: skewness -9.9
  const PairResult pair = compare_cells(cell_of(std::vector<double>(100, 0.9)), cell_of(almost));
  EXPECT_LT(pair.skew, -5);
  EXPECT_GT(pair.ci.half_width(), 1.5 * 1e-4 / 10);
}

TEST(Cells, WithoutSpreadAreKnownToOneImageAtBest) {
  const std::vector<store::TrialRow> rows = [] {
    std::vector<store::TrialRow> out;
    for (int64_t trial = 0; trial < 25; ++trial)
      out.push_back({.trial = trial, .images = 1000, .correct = 900, .golden_correct = 900});
    return out;
  }();
  const CellResult cell = analyse_cell(rows, {.max_trials = 25, .sd_floor = 1e-3}, {}, 0.8, 1);
  EXPECT_EQ(cell.accuracy.sd, 0);
  EXPECT_NEAR(cell.ci.half_width(), 2.063899 * 1e-3 / 5, 1e-9);  // t(0.975, 24)
}

/// Two networks on the same maps: losses lognormal, skewness 2.3, correlated.
struct Losses {
  double a, b;
};
Losses draw(RandomStream& random) {
  constexpr double kSigma = 0.6;
  const double map = random.normal(), own = random.normal();
  const double z = 0.8 * map + 0.6 * own;
  return {0.02 * std::exp(kSigma * map), 0.06 * std::exp(kSigma * z)};
}

TEST(Pairs, IntervalsCoverSkewedDifferences) {
  constexpr int kCampaigns = 4000;
  const double truth = (0.02 - 0.06) * std::exp(0.18);
  for (const int trials : {20, 50, 100}) {
    int held = 0, student = 0;
    for (int campaign = 0; campaign < kCampaigns; ++campaign) {
      RandomStream random(3, static_cast<uint64_t>(campaign), RandomPurpose::kPilot);
      std::vector<double> a, b;
      for (int i = 0; i < trials; ++i) {
        const Losses losses = draw(random);
        a.push_back(0.9 - losses.a);
        b.push_back(0.9 - losses.b);
      }
      const PairResult pair = compare_cells(cell_of(a), cell_of(b));
      held += pair.ci.contains(truth);
      student += student_interval(pair.difference, pair.sd, pair.trials).contains(truth);
      EXPECT_EQ(pair.p_value < 0.05, !pair.ci.contains(0)) << trials;
    }
    EXPECT_GE(held, 0.935 * kCampaigns) << trials;
    EXPECT_GT(held, student) << trials;
  }
}

}  // namespace
}  // namespace flatenn::campaign
