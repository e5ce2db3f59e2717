#include "calibration/ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

/// Smaller ranges are those of dead tensors: their scale would leave float32's normal numbers.
constexpr float kLeastRange = 1e-30F;
/// What a zero point must save: all engines run codes without one.
constexpr float kWiderStep = 1.25F;
/// Candidates of each side in the search for the least squared error.
constexpr int kClippingSteps = 100;

float positive_scale(double width, int levels) {
  const auto scale = static_cast<float>(width / levels);
  return scale > kLeastRange ? scale : 1.0F;
}

Range scaled(const Range& range, int low, int high) {
  return {range.low * static_cast<float>(low) / kClippingSteps,
          range.high * static_cast<float>(high) / kClippingSteps};
}

/// Shrinks both sides in turn, since they hardly depend on each other.
Range least_error(const Histogram& values, Cover how, int bits) {
  int low = kClippingSteps;
  int high = kClippingSteps;
  double least = std::numeric_limits<double>::infinity();
  const auto search = [&](int& side) {
    int best = side;
    for (int step = 1; step <= kClippingSteps; ++step) {
      side = step;
      const double error = mean_squared_error(values, how(scaled(values.range(), low, high), bits));
      if (error < least) {
        least = error;
        best = step;
      }
    }
    side = best;
  };
  for (int round = 0; round < 2; ++round) {
    if (values.range().high > 0) search(high);
    if (values.range().low < 0) search(low);
  }
  return scaled(values.range(), low, high);
}

}  // namespace

int Codes::code(float value) const {
  const auto low = static_cast<float>(min_code() - zero_point);
  const auto high = static_cast<float>(max_code() - zero_point);
  return static_cast<int>(std::nearbyint(std::clamp(value / scale, low, high))) + zero_point;
}

Codes cover_symmetric(const Range& range, int bits) {
  Codes codes{.bits = bits, .is_signed = true};
  codes.scale =
      positive_scale(static_cast<double>(std::max(-range.low, range.high)), codes.max_code());
  return codes;
}

Codes cover(const Range& range, int bits) {
  Codes codes{.bits = bits};
  const double low = static_cast<double>(range.low);
  codes.scale = positive_scale(static_cast<double>(range.high) - low, codes.max_code());
  if (range.low == 0) return codes;
  const Codes symmetric = cover_symmetric(range, bits);
  if (symmetric.scale <= kWiderStep * codes.scale) return symmetric;
  const double zero = std::nearbyint(-low / static_cast<double>(codes.scale));
  codes.zero_point = static_cast<int>(std::clamp(zero, 0.0, double{1} * codes.max_code()));
  return codes;
}

double mean_squared_error(const Histogram& values, const Codes& codes) {
  double sum = 0;
  for (int64_t bin = 0; bin < Histogram::kBins; ++bin) {
    const int64_t count = values.counts()[static_cast<size_t>(bin)];
    if (count == 0) continue;
    const double value = values.center(bin);
    const double error = value - static_cast<double>(codes.quantized(static_cast<float>(value)));
    sum += static_cast<double>(count) * error * error;
  }
  return values.total() > 0 ? sum / static_cast<double>(values.total()) : 0;
}

Range choose_range(const Histogram& values, const CalibrationOptions& options, Cover how,
                   int bits) {
  if (options.method == RangeMethod::kMinMax || values.total() == 0) return values.range();
  if (options.method == RangeMethod::kMse) return least_error(values, how, bits);
  const double outside = (1 - options.percentile / 100) / 2;
  return {static_cast<float>(std::min(values.quantile(outside), 0.0)),
          static_cast<float>(std::max(values.quantile(1 - outside), 0.0))};
}

const std::vector<std::string>& range_method_names() {
  static const std::vector<std::string> kNames = {"min-max", "percentile", "mse"};
  return kNames;
}

RangeMethod parse_range_method(const std::string& name) {
  const std::vector<std::string>& names = range_method_names();
  const auto found = std::find(names.begin(), names.end(), name);
  FLATENN_CHECK(found != names.end(), "calibration: expected min-max, percentile or mse, got ",
                name);
  return static_cast<RangeMethod>(found - names.begin());
}

}  // namespace flatenn::calibration
