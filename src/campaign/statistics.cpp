#include "flatenn/campaign/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "campaign/distributions.h"
#include "flatenn/base/error.h"

namespace flatenn::campaign {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Sum of (value - center)^power, in order.
double moment(std::span<const double> values, double center, int power) {
  double sum = 0;
  for (const double value : values) {
    double term = 1;
    for (int i = 0; i < power; ++i) term *= value - center;
    sum += term;
  }
  return sum;
}

void check_confidence(double confidence) {
  FLATENN_CHECK(confidence > 0 && confidence < 1, "confidence: must be in (0, 1), got ",
                confidence);
}

/// G1 of Joanes and Gill, "Comparing measures of sample skewness and kurtosis" (The Statistician
/// 47, 1998); from three values on.
double unbiased_skew(const Summary& sample) {
  const auto n = static_cast<double>(sample.count);
  return sample.skew * std::sqrt(n * (n - 1)) / (n - 2);
}

}  // namespace

double sorted_quantile(std::span<const double> sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - std::floor(position));
}

Summary summarize(std::span<const double> values) {
  Summary summary;
  summary.count = static_cast<int64_t>(values.size());
  if (values.empty()) return summary;
  const auto count = static_cast<double>(values.size());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  summary.mean = mean_of(values);
  summary.min = sorted.front();
  summary.median = sorted_quantile(sorted, 0.5);
  summary.p5 = sorted_quantile(sorted, 0.05);
  if (sorted.front() == sorted.back()) {
    summary.mean = sorted.front();  // a sum of equal values may round; their mean may not
    return summary;
  }
  const double squares = moment(values, summary.mean, 2);
  summary.sd = std::sqrt(squares / (count - 1));
  summary.skew = moment(values, summary.mean, 3) / count / std::pow(squares / count, 1.5);
  return summary;
}

Interval student_interval(double mean, double sd, int64_t count, double confidence) {
  check_confidence(confidence);
  if (count < 2) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {-kInfinity, kInfinity};
  }
  const auto n = static_cast<double>(count);
  const double half = student_quantile(1 - (1 - confidence) / 2, n - 1) * sd / std::sqrt(n);
  return {mean - half, mean + half};
}

Interval skew_interval(const Summary& sample, double confidence) {
  if (sample.count < 3 || sample.skew == 0) {
    return student_interval(sample.mean, sample.sd, sample.count, confidence);
  }
  check_confidence(confidence);
  const auto n = static_cast<double>(sample.count);
  const double root = std::sqrt(n);
  const double g = unbiased_skew(sample);
  const double t = student_quantile(1 - (1 - confidence) / 2, n - 1);
  const auto back = [&](double quantile) {
    return 3 * root / g * (std::cbrt(1 + g * (quantile / root - g / (6 * n))) - 1);
  };
  const double step = sample.sd / root;
  return {sample.mean - step * back(t), sample.mean - step * back(-t)};
}

Interval clopper_pearson(int64_t successes, int64_t count, double confidence) {
  check_confidence(confidence);
  FLATENN_CHECK(0 <= successes && successes <= count, "clopper_pearson: ", successes,
                " successes of ", count);
  const double tail = (1 - confidence) / 2;
  const auto k = static_cast<double>(successes);
  const auto n = static_cast<double>(count);
  return {successes == 0 ? 0 : beta_quantile(tail, k, n - k + 1),
          successes == count ? 1 : beta_quantile(1 - tail, k + 1, n - k)};
}

double student_p_value(const Summary& differences) {
  if (differences.count < 2) return 1;
  if (differences.sd == 0) return differences.mean == 0 ? 1 : 0;
  const auto n = static_cast<double>(differences.count);
  const double t = std::abs(differences.mean) / (differences.sd / std::sqrt(n));
  return 2 * student_cdf(-t, n - 1);
}

double student_p_value(std::span<const double> differences) {
  return student_p_value(summarize(differences));
}

double skew_p_value(const Summary& differences) {
  if (differences.count < 3 || differences.skew == 0 || differences.sd == 0) {
    return student_p_value(differences);
  }
  const auto n = static_cast<double>(differences.count);
  const double root = std::sqrt(n);
  const double g = unbiased_skew(differences);
  const double step = differences.mean / (differences.sd / root);
  // The t at which skew_interval's end is 0: its h, turned round.
  const double t = root / g * (std::pow(1 + g * step / (3 * root), 3) - 1) + g / (6 * root);
  return 2 * student_cdf(-std::abs(t), n - 1);
}

std::vector<double> holm_adjusted(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const auto factor = static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, factor * p_values[order[rank]]));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

}  // namespace flatenn::campaign
