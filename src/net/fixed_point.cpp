#include "flatenn/net/fixed_point.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "flatenn/base/error.h"

namespace flatenn::net {
namespace {

constexpr int32_t kLowestShift = -31;
constexpr int32_t kHighestShift = 30;

int32_t to_int32(int64_t x) {
  return static_cast<int32_t>(std::clamp<int64_t>(x, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

/// x / 2^exponent, half away from zero.
int64_t divide_by_power(int64_t x, int32_t exponent) {
  if (exponent == 0) return x;
  const int64_t half = int64_t{1} << (exponent - 1);
  return (x + half - (x < 0 ? 1 : 0)) >> exponent;
}

}  // namespace

double FixedPoint::value() const { return std::ldexp(multiplier, shift - 31); }

FixedPoint fixed_point(double real) {
  FLATENN_CHECK(std::isfinite(real) && real >= 0, "fixed point: the factor ", real,
                " is not a finite number from 0 up");
  if (real == 0) return {};
  int exponent = 0;
  const double fraction = std::frexp(real, &exponent);
  int64_t multiplier = std::llround(fraction * static_cast<double>(int64_t{1} << 31));
  if (multiplier == int64_t{1} << 31) {
    multiplier /= 2;
    ++exponent;
  }
  if (exponent < kLowestShift) return {};
  if (exponent > kHighestShift) {
    return {.multiplier = std::numeric_limits<int32_t>::max(), .shift = kHighestShift};
  }
  return {.multiplier = static_cast<int32_t>(multiplier), .shift = exponent};
}

int32_t multiply(int64_t x, const FixedPoint& factor) {
  const int64_t shifted = int64_t{to_int32(x)} * (int64_t{1} << std::max(factor.shift, 0));
  const int64_t high = (int64_t{to_int32(shifted)} * factor.multiplier + (int64_t{1} << 30)) >> 31;
  return to_int32(divide_by_power(high, std::max(-factor.shift, 0)));
}

int32_t multiply_once(int64_t x, const FixedPoint& factor) {
  const int32_t exponent = 31 - factor.shift;  // from 1 to 62
  const int64_t product = int64_t{to_int32(x)} * factor.multiplier;
  return to_int32((product + (int64_t{1} << (exponent - 1))) >> exponent);
}

int32_t rounded_mean(int64_t sum, int64_t count) {
  return static_cast<int32_t>((sum > 0 ? sum + count / 2 : sum - count / 2) / count);
}

}  // namespace flatenn::net
