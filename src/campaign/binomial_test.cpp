#include "campaign/binomial.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "campaign/distributions.h"

namespace flatenn::campaign {
namespace {

/// P(X <= k), by the incomplete beta function.
double binomial_cdf(int64_t k, int64_t n, double p) {
  if (k >= n) return 1;
  return incomplete_beta(static_cast<double>(n - k), static_cast<double>(k + 1), 1 - p);
}

/// Kolmogorov and Smirnov's distance between drawn numbers and the law stays below what one sample
/// in 10,000 exceeds (less for a law of steps), by inversion, by rejection and on both sides of
/// 1/2.
TEST(Binomial, DrawsHaveTheLaw) {
  struct Case {
    int64_t n;
    double p;
  };
  constexpr int kDraws = 20'000;
  for (const auto [n, p] : {Case{1, 0.3}, Case{7, 0.5}, Case{40, 0.24}, Case{40, 0.26},
                            Case{40, 0.9}, Case{1000, 0.0005}, Case{1000, 0.9995}, Case{1000, 0.4},
                            Case{250'000, 0.01}, Case{250'000, 0.77}}) {
    RandomStream stream(3, static_cast<uint64_t>(n), RandomPurpose::kBootstrap);
    std::vector<int64_t> drawn(kDraws);
    for (int64_t& k : drawn) k = draw_binomial(stream, n, p);
    std::sort(drawn.begin(), drawn.end());
    ASSERT_GE(drawn.front(), 0);
    ASSERT_LE(drawn.back(), n);
    double furthest = 0;
    for (size_t i = 0; i < drawn.size(); ++i) {
      if (i + 1 < drawn.size() && drawn[i + 1] == drawn[i]) continue;  // the last of its value
      const double share = static_cast<double>(i + 1) / kDraws;
      furthest = std::max(furthest, std::abs(share - binomial_cdf(drawn[i], n, p)));
    }
    EXPECT_LT(furthest, 2.2 / std::sqrt(kDraws)) << n << " of probability " << p;
  }
}

TEST(Binomial, HasNoSpreadAtItsEnds) {
  RandomStream stream(1, 0, RandomPurpose::kBootstrap);
  EXPECT_EQ(draw_binomial(stream, 9, 0), 0);
  EXPECT_EQ(draw_binomial(stream, 9, 1), 9);
  EXPECT_EQ(draw_binomial(stream, 0, 0.5), 0);
}

}  // namespace
}  // namespace flatenn::campaign
