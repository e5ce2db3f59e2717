#include "calibration/quantized_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

/// Smaller scales would leave float32's normal numbers.
constexpr double kLeastScale = 1e-30;
constexpr double kMostBias = 1 << 30;
constexpr int kSteps = 80;

void check_finite(const FloatOp& op) {
  const auto check = [&](const std::vector<float>& list, const char* what) {
    for (size_t i = 0; i < list.size(); ++i) {
      FLATENN_CHECK(std::isfinite(list[i]), "layer ", op.name, ": ", what, " ", i, " is ", list[i],
                    ", expected a finite number");
    }
  };
  check(op.weights.values, "weight");
  check(op.weights.bias, "bias");
}

int code(float value, double scale, int most) {
  const double steps = std::nearbyint(static_cast<double>(value) / scale);
  return static_cast<int>(std::clamp(steps, -1.0 * most, 1.0 * most));
}

double squared_error(std::span<const float> values, double scale, int most) {
  double sum = 0;
  for (const float value : values) {
    const double error = static_cast<double>(value) - scale * code(value, scale, most);
    sum += error * error;
  }
  return sum;
}

/// 0 where all values are.
double scale_of(std::span<const float> values, int most, RangeMethod method) {
  double largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  double best = largest / most;
  if (best <= kLeastScale) return 0;
  if (method != RangeMethod::kMse) return best;
  double least = std::numeric_limits<double>::infinity();
  for (int step = kSteps; step > 0; --step) {
    const double scale = largest / most * step / kSteps;
    const double error = squared_error(values, scale, most);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

/// The least scale at which a bias has a code.
double scale_for(float bias, float src_scale) {
  return std::abs(static_cast<double>(bias)) / (static_cast<double>(src_scale) * kMostBias);
}

}  // namespace

net::Weights quantized_weights(const FloatOp& op, float src_scale,
                               const CalibrationOptions& options) {
  check_finite(op);
  const FloatWeights& from = op.weights;
  net::Weights result{.out_channels = from.out_channels,
                      .in_channels = from.in_channels,
                      .kernel_height = from.kernel_height,
                      .kernel_width = from.kernel_width,
                      .bits = options.weight_bits};
  const int most = (1 << (options.weight_bits - 1)) - 1;
  const int64_t slices = options.per_channel ? from.out_channels : 1;
  const auto each = from.values.size() / static_cast<size_t>(slices);
  std::vector<double> scales;
  for (size_t i = 0; i < static_cast<size_t>(slices); ++i) {
    scales.push_back(
        scale_of(std::span(from.values).subspan(i * each, each), most, options.method));
  }
  const double largest = *std::max_element(scales.begin(), scales.end());
  for (double& scale : scales) {
    if (scale == 0) scale = largest > 0 ? largest : 1;
  }
  for (size_t c = 0; c < from.bias.size(); ++c) {
    double& scale = scales[options.per_channel ? c : 0];
    scale = std::max(scale, scale_for(from.bias[c], src_scale));
  }
  for (const double scale : scales) result.scales.push_back(static_cast<float>(scale));
  for (size_t i = 0; i < from.values.size(); ++i) {
    const auto scale = static_cast<double>(result.scales[i / each]);
    result.codes.push_back(static_cast<int8_t>(code(from.values[i], scale, most)));
  }
  return result;
}

std::vector<float> real_values(const net::Weights& weights) {
  std::vector<float> result;
  for (size_t i = 0; i < weights.codes.size(); ++i) {
    const auto channel = static_cast<int64_t>(i) / weights.fan_in();
    result.push_back(weights.scale(channel) * static_cast<float>(weights.codes[i]));
  }
  return result;
}

std::vector<int32_t> quantized_biases(const std::vector<float>& bias, const net::Weights& weights,
                                      float src_scale) {
  constexpr double kMost = std::numeric_limits<int32_t>::max();
  std::vector<int32_t> result;
  for (size_t c = 0; c < bias.size(); ++c) {
    const double unit = static_cast<double>(src_scale) *
                        static_cast<double>(weights.scale(static_cast<int64_t>(c)));
    const double steps = std::nearbyint(static_cast<double>(bias[c]) / unit);
    result.push_back(static_cast<int32_t>(std::clamp(steps, -kMost, kMost)));
  }
  return result;
}

}  // namespace flatenn::calibration
