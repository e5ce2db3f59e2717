#include "campaign/binomial.h"

#include <cmath>

namespace flatenn::campaign {
namespace {

constexpr double kFewExpected = 10;

/// Adds up probabilities from 0 on; p <= 1/2 and few successes expected.
int64_t by_inversion(RandomStream& stream, int64_t count, double p) {
  const double odds = p / (1 - p);
  const auto n = static_cast<double>(count);
  double term = std::exp(n * std::log1p(-p));
  double left = stream.uniform() - term;
  int64_t successes = 0;
  while (left >= 0 && successes < count) {
    ++successes;
    const auto k = static_cast<double>(successes);
    term *= (n - k + 1) / k * odds;
    left -= term;
  }
  return successes;
}

/// The constants' names are those of the paper; p <= 1/2.
int64_t by_rejection(RandomStream& stream, int64_t count, double p) {
  const auto n = static_cast<double>(count);
  const double spread = std::sqrt(n * p * (1 - p));
  const double b = 1.15 + 2.53 * spread;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double center = n * p + 0.5;
  const double alpha = (2.83 + 5.1 / b) * spread;
  const double log_odds = std::log(p / (1 - p));
  const double mode = std::floor((n + 1) * p);
  const double log_mode = std::lgamma(mode + 1) + std::lgamma(n - mode + 1);
  for (;;) {
    const double v = stream.open_uniform();
    const double u = stream.open_uniform() - 0.5;
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + center);
    if (k < 0 || k > n) continue;
    if (us >= 0.07 && v <= 0.92 - 4.2 / b) return static_cast<int64_t>(k);
    const double log_share =
        log_mode - std::lgamma(k + 1) - std::lgamma(n - k + 1) + (k - mode) * log_odds;
    if (std::log(v * alpha / (a / (us * us) + b)) <= log_share) return static_cast<int64_t>(k);
  }
}

}  // namespace

int64_t draw_binomial(RandomStream& stream, int64_t count, double p) {
  if (count <= 0 || p <= 0) return 0;
  if (p >= 1) return count;
  if (p > 0.5) return count - draw_binomial(stream, count, 1 - p);
  const bool few = static_cast<double>(count) * p < kFewExpected;
  return few ? by_inversion(stream, count, p) : by_rejection(stream, count, p);
}

}  // namespace flatenn::campaign
