#include "flatenn/analysis/rank_correlation.h"

#include <gtest/gtest.h>

#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

TEST(Ranks, SharesTheMeanAmongEqualValues) {
  EXPECT_EQ(ranks(std::vector<double>{3, 1, 3, 2}), (std::vector<double>{3.5, 1, 3.5, 2}));
}

// The textbook example of IQ and hours of television (n = 10, no ties): rho = -29/165.
TEST(Spearman, GivesAWorkedExample) {
  const std::vector<double> iq{106, 100, 86, 101, 99, 103, 97, 113, 112, 110};
  const std::vector<double> hours{7, 27, 2, 50, 28, 29, 20, 12, 6, 17};
  EXPECT_NEAR(spearman(iq, hours).rho, -29.0 / 165.0, 1e-12);
}

TEST(Spearman, IsOneForAnyRisingRelationAndItsIntervalHoldsIt) {
  const std::vector<double> x{1, 2, 3, 4, 5, 6};
  const std::vector<double> y{1, 4, 9, 16, 25, 36};
  const RankCorrelation same = spearman(x, y);
  EXPECT_DOUBLE_EQ(same.rho, 1);
  EXPECT_LE(same.low, 1);
  const RankCorrelation partly = spearman(x, std::vector<double>{2, 1, 4, 3, 6, 5});
  EXPECT_LT(partly.low, partly.rho);
  EXPECT_GT(partly.high, partly.rho);
}

TEST(Spearman, LeavesFewPairsInPerfectOrderAWideInterval) {
  const RankCorrelation four =
      spearman(std::vector<double>{1, 2, 3, 4}, std::vector<double>{5, 6, 7, 8});
  EXPECT_LT(four.low, 0);  // 1 order of 24 gives rho = 1 by chance
  EXPECT_EQ(four.high, 1);
  std::vector<double> rising(20);
  for (size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<double>(i);
  EXPECT_GT(spearman(rising, rising).low, 0.98);
  const std::vector<double> falling(rising.rbegin(), rising.rend());
  EXPECT_EQ(spearman(rising, falling).low, -1);
  EXPECT_LT(spearman(rising, falling).high, -0.98);
}

TEST(Spearman, SaysNothingWithoutVariationOrPairs) {
  EXPECT_EQ(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3}).rho, 0);
  EXPECT_EQ(spearman(std::vector<double>{1, 2}, std::vector<double>{1, 2}).low, -1);
  EXPECT_THROW(spearman(std::vector<double>{1}, std::vector<double>{1, 2}), Error);
}

}  // namespace
}  // namespace flatenn::analysis
