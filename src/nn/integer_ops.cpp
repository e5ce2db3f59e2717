#include "nn/integer_ops.h"

#include <ATen/Functions.h>

#include <limits>

namespace flatenn::nn {
namespace {

torch::Tensor to_int32(const torch::Tensor& x) {
  return x.clamp(std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
}

torch::Tensor power_of_two(const torch::Tensor& exponent) {
  return at::bitwise_left_shift(torch::ones_like(exponent), exponent);
}

}  // namespace

IntegerFactors integer_factors(const std::vector<net::FixedPoint>& factors, int64_t dims,
                               torch::Device device) {
  std::vector<int64_t> multipliers;
  std::vector<int64_t> shifts;
  for (const net::FixedPoint& factor : factors) {
    multipliers.push_back(factor.multiplier);
    shifts.push_back(factor.shift);
  }
  std::vector<int64_t> shape(static_cast<size_t>(dims), 1);
  if (factors.size() > 1) shape[1] = std::ssize(factors);
  const auto to_tensor = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kInt64).view(shape).to(device);
  };
  return {.multiplier = to_tensor(multipliers), .shift = to_tensor(shifts)};
}

torch::Tensor multiply(const torch::Tensor& x, const IntegerFactors& factors) {
  const torch::Tensor up = factors.shift.clamp_min(0);
  const torch::Tensor down = (-factors.shift).clamp_min(0);
  const torch::Tensor shifted = to_int32(to_int32(x) * power_of_two(up));
  const torch::Tensor high =
      at::bitwise_right_shift(shifted * factors.multiplier + (int64_t{1} << 30), 31);
  // Half away from zero; nothing is divided where `down` is 0.
  const torch::Tensor half = at::bitwise_right_shift(power_of_two(down), 1);
  const torch::Tensor below = (high < 0).logical_and(down > 0).to(torch::kInt64);
  return to_int32(at::bitwise_right_shift(high + half - below, down));
}

torch::Tensor multiply_once(const torch::Tensor& x, const IntegerFactors& factors) {
  const torch::Tensor exponent = 31 - factors.shift;
  const torch::Tensor half = power_of_two(exponent - 1);
  return to_int32(at::bitwise_right_shift(to_int32(x) * factors.multiplier + half, exponent));
}

torch::Tensor rounded_mean(const torch::Tensor& sum, const torch::Tensor& count) {
  const torch::Tensor half = at::div(count, 2, "trunc");
  return at::div(at::where(sum > 0, sum + half, sum - half), count, "trunc");
}

}  // namespace flatenn::nn
