#include "interop/tflite_tables.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "flatenn/base/error.h"
#include "flatenn/net/fixed_point.h"

namespace flatenn::interop {
namespace {

int clamped(int64_t code, const TfliteCodes& dst) {
  return static_cast<int>(std::clamp<int64_t>(code, dst.min_code, dst.max_code));
}

int16_t to_int16(int32_t x) {
  return static_cast<int16_t>(std::clamp<int32_t>(x, std::numeric_limits<int16_t>::min(),
                                                  std::numeric_limits<int16_t>::max()));
}

/// a * b / 2^15, halves away from zero for positive products and up for negative ones, as
/// net::multiply does it in 32 bits.
int16_t rounding_product(int16_t a, int16_t b) {
  return to_int16((int32_t{a} * b + (1 << 14)) >> 15);
}

/// a * b / 2^15, towards zero.
int16_t truncating_product(int16_t a, int16_t b) { return to_int16(int32_t{a} * b / (1 << 15)); }

/// x / 2^exponent, half away from zero.
int16_t divided(int16_t x, int exponent) {
  if (exponent == 0) return x;
  const int32_t half = 1 << (exponent - 1);
  return static_cast<int16_t>((x + half - (x < 0 ? 1 : 0)) >> exponent);
}

int16_t shifted_left(int16_t x, int exponent) {
  return exponent > 15 ? to_int16(x > 0   ? 1 << 15
                                  : x < 0 ? -(1 << 16)
                                          : 0)
                       : to_int16(int32_t{x} * (1 << exponent));
}

/// The upper half of a fixed-point multiplier, rounded.
int16_t upper_half(int32_t multiplier) {
  constexpr int32_t kHalf = 1 << 15;
  if (multiplier >= std::numeric_limits<int32_t>::max() - kHalf) {
    return std::numeric_limits<int16_t>::max();
  }
  return static_cast<int16_t>((multiplier + kHalf) >> 16);
}

/// Half away from zero; what no int32 holds becomes the largest.
int64_t round_to_integer(float value) {
  return static_cast<int64_t>(std::round(std::clamp(value, -0x1p31F, 0x1p31F)));
}

}  // namespace

CodeFunction requantize_codes(const TfliteCodes& src, const TfliteCodes& dst) {
  const net::FixedPoint factor =
      net::fixed_point(static_cast<double>(src.scale) / static_cast<double>(dst.scale));
  return [=](int code) {
    return clamped(int64_t{net::multiply(code - src.zero_point, factor)} + dst.zero_point, dst);
  };
}

CodeFunction rescale_codes(const TfliteCodes& src, const TfliteCodes& dst) {
  const float scale = src.scale * (1.0F / dst.scale);
  const float bias = -static_cast<float>(src.zero_point) * scale;
  return [=](int code) {
    return clamped(round_to_integer(static_cast<float>(code) * scale + bias) + dst.zero_point, dst);
  };
}

CodeFunction relu_codes(const TfliteCodes& src, const TfliteCodes& dst, float low, float high) {
  const net::FixedPoint factor = net::fixed_point(static_cast<double>(src.scale / dst.scale));
  const CodeLimits limits = activation_limits(dst, low, high);
  return [=](int code) {
    const int64_t value = int64_t{net::multiply(code - src.zero_point, factor)} + dst.zero_point;
    return static_cast<int>(std::clamp<int64_t>(value, limits.low, limits.high));
  };
}

CodeFunction leaky_relu_codes(const TfliteCodes& src, const TfliteCodes& dst, float alpha) {
  const net::FixedPoint identity = net::fixed_point(static_cast<double>(src.scale / dst.scale));
  const double slope = static_cast<double>(src.scale * alpha / dst.scale);
  const net::FixedPoint steep = net::fixed_point(std::abs(slope));
  return [=](int code) {
    const int value = code - src.zero_point;
    // A negative multiplier rounds the mirrored product.
    const int64_t scaled = value >= 0  ? net::multiply(value, identity)
                           : slope < 0 ? net::multiply(-int64_t{value}, steep)
                                       : net::multiply(value, steep);
    return clamped(scaled + dst.zero_point, dst);
  };
}

CodeFunction hard_swish_codes(const TfliteCodes& src, const TfliteCodes& dst) {
  // x lies 7 bits up in 16; relu6's part in units of 3 / 2^15, so that it saturates at +-3.
  const float fine = (1.0F / 128.0F) * src.scale;
  const net::FixedPoint output = net::fixed_point(static_cast<double>(fine / dst.scale));
  const net::FixedPoint part = net::fixed_point(static_cast<double>(fine / (3.0F / 32768.0F)));
  FLATENN_CHECK(output.shift <= 0, "its output's scale ", dst.scale,
                " is too small for its input's, ", src.scale);
  return [=](int code) {
    const auto x = static_cast<int16_t>((code - src.zero_point) * 128);
    const int16_t scaled = rounding_product(x, upper_half(output.multiplier));
    int16_t gate = part.shift > 0 ? shifted_left(x, part.shift - 1) : x;
    gate = rounding_product(gate, upper_half(part.multiplier));
    gate = part.shift > 0 ? shifted_left(gate, 1) : divided(gate, std::min(-part.shift, 15));
    gate = static_cast<int16_t>((gate + (1 << 15)) >> 1);  // from [-1, 1] to [0, 1]
    const int16_t product = truncating_product(gate, scaled);
    return clamped(divided(product, std::min(-output.shift, 15)) + dst.zero_point, dst);
  };
}

CodeFunction float_codes(const TfliteCodes& src, const TfliteCodes& dst,
                         const std::function<float(float)>& function) {
  const float inverse = 1.0F / dst.scale;
  return [=](int code) {
    const float value = src.scale * static_cast<float>(code - src.zero_point);
    return clamped(round_to_integer(function(value) * inverse) + dst.zero_point, dst);
  };
}

CodeLimits activation_limits(const TfliteCodes& dst, float low, float high) {
  const auto code = [&](float value) {
    return clamped(dst.zero_point + round_to_integer(value / dst.scale), dst);
  };
  return {.low = std::isfinite(low) ? code(low) : dst.min_code,
          .high = std::isfinite(high) ? code(high) : dst.max_code};
}

}  // namespace flatenn::interop
