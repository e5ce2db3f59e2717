#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

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

/// Trials beyond the checkpoint at which a cell stopped are stored, counted apart and not used.
TEST(Cells, CountTrialsBeyondTheirStopApart) {
  std::vector<store::TrialRow> rows;
  const StopRule rule{.max_trials = 1000, .half_width = 0.01, .sd_floor = 1e-4};
  for (int64_t trial = 0; trial < 29; ++trial) {
    rows.push_back({.trial = trial, .images = 1000, .correct = trial < 20 ? 900 : 100});
    const CellResult cell = analyse_cell(rows, rule, {}, 0.8, 1);
    EXPECT_EQ(cell.surplus, std::max<int64_t>(0, trial + 1 - 20));
    EXPECT_EQ(cell.accuracy.count + cell.surplus, trial + 1);
    EXPECT_DOUBLE_EQ(cell.accuracy.mean, 0.9);
  }
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

/// Models of one plan, cell by cell; a cell without trials (another machine's share) has no pair.
TEST(Pairs, AreOfCellsWithTrialsThatDifferInTheModelAlone) {
  PlanResult plan;
  for (int64_t model = 0; model < 3; ++model) {
    for (int64_t kind = 0; kind < 2; ++kind) {
      for (int64_t level = 0; level < 2; ++level) {
        CellResult cell = cell_of(std::vector<double>(5, 0.5 + 0.1 * static_cast<double>(model)));
        cell.model = model;
        cell.kind = kind;
        cell.level = level;
        plan.cells.push_back(cell);
      }
    }
  }
  EXPECT_EQ(compare_pairs(plan).size(), 3U * 4);
  plan.cells[0] = CellResult{.model = 0, .kind = 0, .level = 0};
  EXPECT_EQ(compare_pairs(plan).size(), 3U * 4 - 2);
  plan.cells[4] = CellResult{.model = 1, .kind = 0, .level = 0};
  const std::vector<PairResult> pairs = compare_pairs(plan);
  EXPECT_EQ(pairs.size(), 3U * 4 - 3);
  for (const PairResult& pair : pairs) EXPECT_FALSE(pair.kind == 0 && pair.level == 0);
}

TEST(Cells, WithoutTrialsTellNothing) {
  const CellResult cell = analyse_cell({}, {.max_trials = 25, .sd_floor = 1e-3}, {}, 0.8, 1);
  EXPECT_EQ(cell.accuracy.count, 0);
  EXPECT_EQ(cell.ci.half_width(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(cell.yield, 0);
  EXPECT_EQ(cell.yield_ci, (Interval{0, 1}));
  EXPECT_EQ(cell.mean_loss, 0);
  EXPECT_EQ(cell.identical, 0);
}

/// As many trials as reach a wanted accuracy, itself included, by counting.
TEST(Cells, YieldCountsTrialsThatReachTheWantedAccuracy) {
  std::vector<store::TrialRow> rows;
  for (int64_t trial = 0; trial < 20; ++trial)
    rows.push_back({.trial = trial, .images = 100, .correct = 80 + trial, .golden_correct = 99});
  for (const int64_t wanted : {80, 85, 99}) {
    const CellResult cell = analyse_cell(rows, {.max_trials = 20, .sd_floor = 1e-2}, {},
                                         static_cast<double>(wanted) / 100, 1);
    const int64_t good = 100 - wanted;
    EXPECT_DOUBLE_EQ(cell.yield, static_cast<double>(good) / 20);
    EXPECT_EQ(cell.yield_ci, clopper_pearson(good, 20));
  }
}

}  // namespace
}  // namespace flatenn::campaign
