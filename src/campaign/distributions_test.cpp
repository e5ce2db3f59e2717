#include "campaign/distributions.h"

#include <gtest/gtest.h>

#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {
namespace {

struct StudentCase {
  double degrees;
  double p;
  double quantile;
};
struct ClopperPearsonCase {
  int64_t successes;
  int64_t count;
  double confidence;
  double low;
  double high;
};
struct NormalCase {
  double p;
  double quantile;
};
#include "campaign/golden/distributions.inc"

/// Differences of lgamma at arguments near 10^4 cancel to this.
constexpr double kRelativeError = 1e-10;

TEST(Distributions, StudentQuantilesEqualAnIndependentComputation) {
  for (const StudentCase& c : kStudent) {
    EXPECT_NEAR(student_quantile(c.p, c.degrees), c.quantile, c.quantile * kRelativeError)
        << c.degrees << " degrees, p = " << c.p;
    EXPECT_NEAR(student_cdf(c.quantile, c.degrees), c.p, kRelativeError);
    EXPECT_NEAR(student_quantile(1 - c.p, c.degrees), -c.quantile, c.quantile * kRelativeError);
  }
}

TEST(Distributions, StudentQuantilesRoundToThePublishedTable) {
  // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975.
  EXPECT_NEAR(student_quantile(0.975, 1), 12.706, 5e-4);
  EXPECT_NEAR(student_quantile(0.975, 10), 2.228, 5e-4);
  EXPECT_NEAR(student_quantile(0.975, 30), 2.042, 5e-4);
  EXPECT_NEAR(student_quantile(0.975, 100), 1.984, 5e-4);
}

TEST(Distributions, ClopperPearsonEqualsAnIndependentComputation) {
  for (const ClopperPearsonCase& c : kClopperPearson) {
    const Interval interval = clopper_pearson(c.successes, c.count, c.confidence);
    EXPECT_NEAR(interval.low, c.low, c.low * kRelativeError) << c.successes << "/" << c.count;
    EXPECT_NEAR(interval.high, c.high, c.high * kRelativeError) << c.successes << "/" << c.count;
  }
}

TEST(Distributions, NormalQuantilesEqualAnIndependentComputation) {
  for (const NormalCase& c : kNormal) {
    EXPECT_NEAR(normal_quantile(c.p), c.quantile, 1e-13) << c.p;
    EXPECT_NEAR(normal_cdf(c.quantile), c.p, kRelativeError);
  }
}

TEST(Distributions, IncompleteBetaHasItsMirrorAndItsPolynomials) {
  for (const double x : {0.0, 1e-6, 0.1, 0.5, 0.93, 1.0}) {
    EXPECT_NEAR(incomplete_beta(1, 1, x), x, 1e-15);
    EXPECT_NEAR(incomplete_beta(2, 1, x), x * x, 1e-15);
    EXPECT_NEAR(incomplete_beta(3.5, 7, x) + incomplete_beta(7, 3.5, 1 - x), 1, 1e-14);
  }
}

}  // namespace
}  // namespace flatenn::campaign
