#include "campaign/single_fault.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

#include "campaign/analysis.h"
#include "flatenn/base/random.h"

namespace flatenn::campaign {
namespace {

TEST(SampleSize, GivesThePublishedNumbers) {
  // Leveugle et al. (DATE 2009): LeNet-5's 245,880 weight bits, and the limits of large
  // populations.
  EXPECT_EQ(sample_size(245'880, 0.05, 0.95), 384);
  EXPECT_EQ(sample_size(int64_t{1} << 50, 0.05, 0.95), 385);
  EXPECT_EQ(sample_size(int64_t{1} << 50, 0.05, 0.99), 664);
  EXPECT_EQ(sample_size(1, 0.05, 0.95), 1);
  EXPECT_EQ(sample_size(10, 0.05, 0.95), 10);
}

TEST(FaultOrder, DrawsDistinctElementsAndNests) {
  Stratum stratum{.tensor = 2, .name = "fc3", .bit = 1, .population = 1000, .wanted = 300};
  const auto large = fault_order(stratum, 7);
  EXPECT_EQ(std::set(large.begin(), large.end()).size(), 300U);
  stratum.wanted = 100;
  const auto small = fault_order(stratum, 7);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), large.begin()));
  EXPECT_NE(small, fault_order(stratum, 8));
  stratum.wanted = stratum.population;
  EXPECT_EQ(fault_order(stratum, 7).size(), 1000U);
}

/// A stratum of `size` faults of which `critical` are, after `tried` of them, drawn without
/// repeats.
StratumResult sampled(RandomStream& random, int64_t size, int64_t critical, int64_t tried) {
  std::vector<store::TrialRow> rows;
  int64_t left = critical;
  for (int64_t i = 0; i < tried; ++i) {
    const bool hit = static_cast<int64_t>(random.below(static_cast<uint64_t>(size - i))) < left;
    left -= hit;
    rows.push_back({.images = 10, .sdc1_right = hit});
  }
  StratumResult stratum{.population = size, .wanted = tried};
  analyse_stratum(rows, stratum);
  return stratum;
}

TEST(StratumTotal, WhollyEqualSamplesAreNoCertainty) {
  RandomStream random(1, 0, RandomPurpose::kPilot);
  const std::vector none{sampled(random, 1000, 0, 50), sampled(random, 9000, 0, 50)};
  EXPECT_EQ(stratum_total(none).share, 0);
  EXPECT_GT(stratum_total(none).ci.high, 0.03);
  const std::vector all{sampled(random, 1000, 1000, 50)};
  EXPECT_LT(stratum_total(all).ci.low, 0.97);
  EXPECT_EQ(stratum_total(all).ci.high, 1);
}

TEST(StratumTotal, IsAPointWhereEveryFaultWasTried) {
  RandomStream random(1, 0, RandomPurpose::kPilot);
  const std::vector strata{sampled(random, 100, 7, 100), sampled(random, 300, 1, 300)};
  EXPECT_DOUBLE_EQ(stratum_total(strata).share, 8.0 / 400);
  EXPECT_EQ(stratum_total(strata).ci.half_width(), 0);
}

/// Rare and frequent critical faults, few of many and most of few.
TEST(StratumTotal, HoldsTheTrueShareInNineteenOfTwentyCampaigns) {
  struct Case {
    int64_t size, critical, tried;
  };
  const std::vector<std::vector<Case>> campaigns{
      {{150, 4, 109}, {2400, 30, 332}, {48'000, 100, 382}},
      {{150, 0, 109}, {2400, 3, 332}, {48'000, 0, 382}},
      {{150, 75, 109}, {2400, 2390, 332}, {48'000, 20'000, 382}}};
  constexpr int kRuns = 1000;
  RandomStream random(7, 0, RandomPurpose::kPilot);
  for (const std::vector<Case>& strata : campaigns) {
    double critical = 0, size = 0;
    for (const Case& s : strata) {
      critical += static_cast<double>(s.critical);
      size += static_cast<double>(s.size);
    }
    int held = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::vector<StratumResult> results;
      for (const Case& s : strata) results.push_back(sampled(random, s.size, s.critical, s.tried));
      held += stratum_total(results).ci.contains(critical / size);
    }
    EXPECT_GE(held, 0.94 * kRuns) << "of a true share of " << critical / size;
  }
}

/// By hand: 7 of 100 and 1 of 300 critical, every fault tried; then a sample of the second.
TEST(StratumTotal, AddsWhatItsStrataTell) {
  RandomStream random(1, 0, RandomPurpose::kPilot);
  std::vector strata{sampled(random, 100, 7, 100), sampled(random, 300, 1, 300)};
  strata[0].model = strata[1].model = 2;
  strata[0].mean_sdc1 = 0.4;
  strata[1].mean_sdc1 = 0.1;
  const StratumResult total = stratum_total(strata);
  EXPECT_EQ(total.model, 2);
  EXPECT_EQ(total.population, 400);
  EXPECT_EQ(total.wanted, 400);
  EXPECT_EQ(total.tried, 400);
  EXPECT_EQ(total.critical, 8);
  EXPECT_DOUBLE_EQ(total.mean_sdc1, (100 * 0.4 + 300 * 0.1) / 400);
}

}  // namespace
}  // namespace flatenn::campaign
