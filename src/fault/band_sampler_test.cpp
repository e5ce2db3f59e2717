#include "fault/band_sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace flatenn::fault {
namespace {

std::vector<Hit> draw(uint64_t trial, int64_t count, double rate) {
  RandomStream stream(42, trial, RandomPurpose::kWeightFault, 3, 2);
  RandomStream kinds(42, trial, RandomPurpose::kFaultKind, 3, 2);
  BandSampler sampler;
  return sampler.sample(stream, {.kind = &kinds}, count, rate);
}

TEST(BandSampler, RateZeroHitsNothingAndRateOneHitsAll) {
  EXPECT_TRUE(draw(0, 1000, 0).empty());
  const auto all = draw(0, 1000, 1);
  ASSERT_EQ(all.size(), 1000u);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].index, static_cast<int64_t>(i));
}

TEST(BandSampler, GivesEveryPositionOneUniformWhateverTheRate) {
  std::map<int64_t, Hit> all;
  for (const Hit& hit : draw(5, 4096, 1)) all[hit.index] = hit;
  for (const double rate : {1e-4, 0x1p-9, 3e-3, 0.03, 0.25, 0.4, 0.5, 0.77, 0.999}) {
    std::map<int64_t, Hit> expected;
    for (const auto& [index, hit] : all) {
      if (hit.u < rate) expected[index] = hit;
    }
    const auto drawn = draw(5, 4096, rate);
    ASSERT_EQ(drawn.size(), expected.size()) << rate;
    int64_t last = -1;
    for (const Hit& hit : drawn) {
      EXPECT_GT(hit.index, last);
      last = hit.index;
      EXPECT_EQ(hit.u, expected.at(hit.index).u);
      EXPECT_EQ(hit.kind, expected.at(hit.index).kind);
    }
  }
}

// Five standard deviations of the binomial count over all trials: fails once in 1.7 million seeds.
TEST(BandSampler, HitsAsOftenAsTheRateSays) {
  struct Case {
    double rate;
    int64_t count;
    uint64_t trials;
  };
  for (const Case& c :
       {Case{1e-12, int64_t{1} << 40, 20}, Case{3e-7, 50'000'000, 20}, Case{1e-5, 1'000'000, 50},
        Case{1e-3, 10'000, 200}, Case{0.05, 500, 500}, Case{0.3, 64, 2000}, Case{0.5, 64, 2000},
        Case{0.9, 64, 2000}, Case{0.999, 1000, 50}}) {
    double hits = 0;
    for (uint64_t trial = 0; trial < c.trials; ++trial) {
      hits += static_cast<double>(draw(trial, c.count, c.rate).size());
    }
    const double n = static_cast<double>(c.count) * static_cast<double>(c.trials);
    EXPECT_NEAR(hits, n * c.rate, 5 * std::sqrt(n * c.rate * (1 - c.rate))) << c.rate;
  }
}

TEST(BandSampler, VarianceOfCountsIsBinomial) {
  constexpr int kTrials = 4000;
  constexpr double kRate = 0.01;
  constexpr int64_t kCount = 2000;
  double squares = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const double deviation =
        static_cast<double>(draw(trial, kCount, kRate).size()) - kRate * kCount;
    squares += deviation * deviation;
  }
  const double variance = kCount * kRate * (1 - kRate);
  EXPECT_NEAR(squares / kTrials, variance, 5 * variance * std::sqrt(2.0 / kTrials));
}

TEST(BandSampler, UniformsAreUniform) {
  constexpr int kBins = 64;
  std::vector<int64_t> bins(kBins);
  for (const Hit& hit : draw(9, 64'000, 1)) {
    ASSERT_GE(hit.u, 0);
    ASSERT_LT(hit.u, 1);
    ++bins[static_cast<size_t>(hit.u * kBins)];
  }
  double chi = 0;
  for (const int64_t n : bins) chi += std::pow(static_cast<double>(n) - 1000, 2) / 1000;
  EXPECT_LT(chi, 63 + 5 * std::sqrt(2.0 * 63));
}

TEST(BandSampler, PositionsAreHitAlike) {
  constexpr int kPositions = 50;
  constexpr int kTrials = 20000;
  for (const double rate : {0.02, 0.6}) {
    std::vector<double> counts(kPositions);
    for (uint64_t trial = 0; trial < kTrials; ++trial) {
      for (const Hit& hit : draw(trial, kPositions, rate)) ++counts[static_cast<size_t>(hit.index)];
    }
    const double mean = kTrials * rate;
    double chi = 0;
    for (const double n : counts) chi += (n - mean) * (n - mean) / (mean * (1 - rate));
    EXPECT_LT(chi, kPositions + 5 * std::sqrt(2.0 * kPositions)) << rate;
  }
}

// A plain sampler with a uniform for each position must see neighbours hit together as often.
TEST(BandSampler, NeighboursAreIndependent) {
  constexpr double kRate = 0.1;
  int64_t pairs = 0;
  constexpr int64_t kCount = 200'000;
  const auto hits = draw(1, kCount, kRate);
  for (size_t i = 1; i < hits.size(); ++i) pairs += hits[i].index == hits[i - 1].index + 1 ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(pairs), kCount * kRate * kRate,
              6 * std::sqrt(kCount * kRate * kRate));
}

struct KnownHit {
  int64_t index;
  double u;
};

// The rule written a second time in Python: golden/bands.py. Drawn maps are part of every published
// number, so these may never change.
constexpr KnownHit kKnownHits[] = {
#include "fault/golden/bands.inc"
};

TEST(BandSampler, DrawsWhatAnIndependentImplementationDraws) {
  const auto hits = draw(731, 10'000, 2e-3);
  ASSERT_EQ(hits.size(), std::size(kKnownHits));
  for (size_t i = 0; i < hits.size(); ++i) {
    EXPECT_EQ(hits[i].index, kKnownHits[i].index);
    EXPECT_EQ(hits[i].u, kKnownHits[i].u);
  }
}

}  // namespace
}  // namespace flatenn::fault
