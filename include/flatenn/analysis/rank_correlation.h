#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace flatenn::analysis {

/// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> ranks(std::span<const double> values);

struct RankCorrelation {
  double rho = 0;  ///< Spearman's, in [-1, 1]; 0 where one side does not vary.
  double low = -1;
  double high = 1;
  int64_t n = 0;
};

/// Spearman's rank correlation with the 95 % interval of Bonett and Wright (Psychometrika 65,
/// 2000): Fisher's z with standard error sqrt((1 + rho^2 / 2) / (n - 3)), rho taken half a step
/// from 1 where the order is perfect. Below 4 pairs the interval is [-1, 1]. Throws Error where the
/// sizes differ.
RankCorrelation spearman(std::span<const double> a, std::span<const double> b);

}  // namespace flatenn::analysis
