#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// The statistics of docs/statistics.md. Accuracies and shares are in [0, 1]; sums run in the order
/// given, so equal input gives equal bits.
namespace flatenn::campaign {

struct Interval {
  double low = 0;
  double high = 0;
  double half_width() const { return (high - low) / 2; }
  bool contains(double value) const { return low <= value && value <= high; }
  bool operator==(const Interval&) const = default;
};

/// What is told about one sample, such as the accuracies of a cell's trials.
struct Summary {
  int64_t count = 0;
  double mean = 0;
  double sd = 0;  ///< With count - 1; 0 for fewer than two values.
  double median = 0;
  double min = 0;
  double p5 = 0;    ///< 5th percentile, linear between order statistics at 0.05 * (count - 1).
  double skew = 0;  ///< g1 = m3 / m2^(3/2); 0 where all values are equal.
};
Summary summarize(std::span<const double> values);
/// Quantile q in [0, 1] of rising values (at least one), linear between them.
double sorted_quantile(std::span<const double> sorted, double q);

/// Student-t interval of a mean: mean +- t(1 - (1 - confidence) / 2, count - 1) * sd / sqrt(count).
/// Fewer than two values tell nothing: the interval is infinite.
Interval student_interval(double mean, double sd, int64_t count, double confidence = 0.95);

/// Interval of a mean that allows for skewness: Hall's monotone transformation of Student's t ("On
/// the removal of skewness by transformation", J. R. Statist. Soc. B 54, 1992). With g the sample's
/// skewness g1 sqrt(n (n - 1)) / (n - 2), and t the quantiles of Student's t,
///   [mean - sd / sqrt(n) h(t_high), mean - sd / sqrt(n) h(t_low)],
///   h(t) = 3 sqrt(n) / g (cbrt(1 + g (t / sqrt(n) - g / (6 n))) - 1).
/// Student's interval where g = 0 or there are fewer than three values.
Interval skew_interval(const Summary& sample, double confidence = 0.95);

/// Clopper-Pearson interval of a share from `successes` of `count`: exact, never below its
/// confidence. [0, 1] for count = 0.
Interval clopper_pearson(int64_t successes, int64_t count, double confidence = 0.95);

/// Two-sided p-value of "the mean is 0" by Student's t; 1 for fewer than two values.
double student_p_value(const Summary& differences);
double student_p_value(std::span<const double> differences);
/// The same by Hall's transformation: below 1 - confidence just where skew_interval(differences,
/// confidence) does not hold 0.
double skew_p_value(const Summary& differences);

/// Holm's step-down adjusted p-values, in the order given (Holm, Scand. J. Statist. 6, 1979).
std::vector<double> holm_adjusted(std::span<const double> p_values);

/// Bias-corrected and accelerated bootstrap interval of the mean (Efron, JASA 82, 1987), with
/// `resamples` resamples drawn from (seed, purpose kBootstrap). Equal values give a point. More
/// than 10,000 values of which at most one in 20 is distinct are resampled by drawing how often
/// each distinct value comes: the same law from other random numbers, in a time that hardly grows.
Interval bootstrap_interval(std::span<const double> values, uint64_t seed, double confidence = 0.95,
                            int64_t resamples = 2000);

}  // namespace flatenn::campaign
