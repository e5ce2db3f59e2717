#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "flatenn/fault/activation_faults.h"
#include "flatenn/net/network.h"

/// The scalar form of the arithmetic contract on net::Layer.
namespace flatenn::engine {

/// y = (float(acc) + float(bias)) * multiplier; two roundings, one of the sum, one of the product.
inline float scaled(int32_t acc, int32_t bias, float multiplier) {
  return (static_cast<float>(acc) + static_cast<float>(bias)) * multiplier;
}

/// The same in fixed point, with the layer's or the channel's factor.
inline int32_t requantized(const net::Layer& layer, int32_t acc, int64_t channel) {
  const size_t at = layer.factors.size() == 1 ? 0 : static_cast<size_t>(channel);
  const int64_t sum = int64_t{acc} + layer.bias[static_cast<size_t>(channel)];
  return layer.requantization == net::Requantization::kFixedPointOnce
             ? net::multiply_once(sum, layer.factors[at])
             : net::multiply(sum, layer.factors[at]);
}

/// Of two codes without their zero points; the fixed point lies 20 bits up.
inline int32_t fixed_point_sum(const net::Layer& layer, int a, int b) {
  constexpr int64_t kOne = 1 << 20;
  return net::multiply(int64_t{net::multiply(a * kOne, layer.factors[0])} +
                           net::multiply(b * kOne, layer.factors[1]),
                       layer.factors[2]);
}

inline float rectified(float y) { return y > 0 ? y : 0.0F; }

/// Rounds half to even and clamps to the codes of `activation`.
inline int16_t rounded(float y, const net::Activation& activation) {
  const auto low = static_cast<float>(activation.min_code() - activation.zero_point);
  const auto high = static_cast<float>(activation.max_code() - activation.zero_point);
  const float code = std::nearbyint(std::min(std::max(y, low), high));
  return static_cast<int16_t>(static_cast<int>(code) + activation.zero_point);
}

/// As above, with the layer's narrower limits: the zero point is added after rounding.
inline int16_t rounded(float y, const net::Activation& activation, const net::Layer& layer) {
  const auto low = std::max(activation.min_code(), layer.low) - activation.zero_point;
  const auto high = std::min(activation.max_code(), layer.high) - activation.zero_point;
  const float code =
      std::nearbyint(std::min(std::max(y, static_cast<float>(low)), static_cast<float>(high)));
  return static_cast<int16_t>(static_cast<int>(code) + activation.zero_point);
}

/// A whole number of the output's units as a code within the layer's limits.
inline int16_t limited(int32_t y, const net::Activation& activation, const net::Layer& layer) {
  const int64_t code = int64_t{y} + activation.zero_point;
  return static_cast<int16_t>(std::clamp<int64_t>(code, std::max(activation.min_code(), layer.low),
                                                  std::min(activation.max_code(), layer.high)));
}

/// The code a faulty memory returns for `code`.
inline int16_t faulty(int16_t code, const fault::CodeMask& mask,
                      const net::Activation& activation) {
  const int all = (1 << activation.bits) - 1;
  const int word = ((((code & all) ^ mask.flip) | mask.set) & ~int{mask.clear}) & all;
  const int sign = 1 << (activation.bits - 1);
  return static_cast<int16_t>(activation.is_signed && (word & sign) != 0 ? word - all - 1 : word);
}

}  // namespace flatenn::engine
