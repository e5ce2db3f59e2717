#pragma once

#include <cstdint>

namespace flatenn::net {

/// How a layer's sums become codes.
enum class Requantization {
  kFloat,           ///< In float32, half to even.
  kFixedPoint,      ///< In integers, as most of TensorFlow Lite's reference kernels do.
  kFixedPointOnce,  ///< The same with one rounding, as its FULLY_CONNECTED does.
};

/// The factor multiplier * 2^(shift - 31) of fixed-point requantization.
struct FixedPoint {
  int32_t multiplier = 0;  ///< From 0 up; in [2^30, 2^31) of the nearest factors.
  int32_t shift = 0;       ///< In [-31, 30].

  double value() const;
  bool operator==(const FixedPoint&) const = default;
};

/// The factor nearest to a real one: its fraction rounded half away from zero to 31 bits. What is
/// below 2^-32 becomes 0, what is 2^30 or more the largest factor.
/// Throws Error where `real` is negative or not finite.
FixedPoint fixed_point(double real);

/// x times a factor, rounded twice as gemmlowp does: t = x * 2^max(shift, 0), limited to int32;
/// h = floor((t * multiplier + 2^30) / 2^31); then h / 2^max(-shift, 0), half away from zero.
/// Jacob et al., "Quantization and Training of Neural Networks for Efficient
/// Integer-Arithmetic-Only Inference", arXiv:1712.05877, section 2.2.
int32_t multiply(int64_t x, const FixedPoint& factor);

/// x times a factor, rounded once: floor(x * multiplier / 2^(31 - shift) + 1/2), limited to int32.
int32_t multiply_once(int64_t x, const FixedPoint& factor);

/// sum / count, half away from zero.
int32_t rounded_mean(int64_t sum, int64_t count);

}  // namespace flatenn::net
