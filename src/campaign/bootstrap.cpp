#include <algorithm>
#include <cmath>

#include "campaign/binomial.h"
#include "campaign/distributions.h"
#include "flatenn/base/error.h"
#include "flatenn/base/random.h"
#include "flatenn/campaign/statistics.h"

namespace flatenn::campaign {
namespace {

/// From here on samples with few distinct values are resampled by how often each is drawn.
constexpr size_t kManyValues = 10'000;
constexpr size_t kValuesPerCount = 20;  ///< Draws of a value that take as long as one binomial.

/// Acceleration of the mean: skewness over 6, by the jackknife.
double acceleration(std::span<const double> values, double mean) {
  // Leaving value i out moves the mean by (mean - value_i) / (n - 1); the factor cancels.
  double squares = 0;
  double cubes = 0;
  for (const double value : values) {
    const double off = value - mean;
    squares += off * off;
    cubes += off * off * off;
  }
  return squares == 0 ? 0 : cubes / (6 * std::pow(squares, 1.5));
}

double mean_of_draws(std::span<const double> values, RandomStream& stream) {
  double sum = 0;
  for (size_t draw = 0; draw < values.size(); ++draw) sum += values[stream.below(values.size())];
  return sum / static_cast<double>(values.size());
}

/// A value and how many of the sample's values are not below it.
struct Distinct {
  double value;
  int64_t from_here;
};

/// Rising.
std::vector<Distinct> distinct_values(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<Distinct> distinct;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i] == sorted[i - 1]) continue;
    distinct.push_back({sorted[i], static_cast<int64_t>(sorted.size() - i)});
  }
  return distinct;
}

/// The same law as mean_of_draws: how often each value is drawn is multinomial, and each count
/// given those before it is binomial.
double mean_of_counts(std::span<const Distinct> distinct, RandomStream& stream) {
  const int64_t count = distinct.front().from_here;
  int64_t left = count;
  double sum = 0;
  for (size_t i = 0; i < distinct.size() && left > 0; ++i) {
    const int64_t above = i + 1 < distinct.size() ? distinct[i + 1].from_here : 0;
    const int64_t equal = distinct[i].from_here - above;
    const double share = static_cast<double>(equal) / static_cast<double>(distinct[i].from_here);
    const int64_t drawn = draw_binomial(stream, left, share);
    sum += static_cast<double>(drawn) * distinct[i].value;
    left -= drawn;
  }
  return sum / static_cast<double>(count);
}

std::vector<double> resampled_means(std::span<const double> values, uint64_t seed,
                                    int64_t resamples) {
  std::vector<Distinct> distinct;
  if (values.size() > kManyValues) distinct = distinct_values(values);
  const bool by_counts = !distinct.empty() && distinct.size() < values.size() / kValuesPerCount;
  std::vector<double> means;
  means.reserve(static_cast<size_t>(resamples));
  for (int64_t i = 0; i < resamples; ++i) {
    RandomStream stream(seed, static_cast<uint64_t>(i), RandomPurpose::kBootstrap);
    means.push_back(by_counts ? mean_of_counts(distinct, stream) : mean_of_draws(values, stream));
  }
  std::sort(means.begin(), means.end());
  return means;
}

/// Normal quantile of the share of resampled means below the mean, ties by half.
double bias_correction(const std::vector<double>& sorted_means, double mean) {
  const auto [first, last] = std::equal_range(sorted_means.begin(), sorted_means.end(), mean);
  const auto below = static_cast<double>(first - sorted_means.begin());
  const auto ties = static_cast<double>(last - first);
  const auto count = static_cast<double>(sorted_means.size());
  return normal_quantile(std::clamp((below + ties / 2) / count, 0.5 / count, 1 - 0.5 / count));
}

}  // namespace

Interval bootstrap_interval(std::span<const double> values, uint64_t seed, double confidence,
                            int64_t resamples) {
  FLATENN_CHECK(confidence > 0 && confidence < 1, "confidence: must be in (0, 1), got ",
                confidence);
  FLATENN_CHECK(!values.empty() && resamples >= 2, "bootstrap_interval: ", values.size(),
                " values and ", resamples, " resamples");
  const Summary summary = summarize(values);
  if (summary.sd == 0) return {summary.mean, summary.mean};
  const std::vector<double> means = resampled_means(values, seed, resamples);
  const double z0 = bias_correction(means, summary.mean);
  const double a = acceleration(values, summary.mean);
  const auto end = [&](double tail) {
    const double z = z0 + normal_quantile(tail);
    return sorted_quantile(means, normal_cdf(z0 + z / (1 - a * z)));
  };
  return {end((1 - confidence) / 2), end(1 - (1 - confidence) / 2)};
}

}  // namespace flatenn::campaign
