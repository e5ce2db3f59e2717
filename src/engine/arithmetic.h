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

inline float rectified(float y) { return y > 0 ? y : 0.0F; }

/// Rounds half to even and clamps to the codes of `activation`.
inline int16_t rounded(float y, const net::Activation& activation) {
  const auto low = static_cast<float>(activation.min_code());
  const auto high = static_cast<float>(activation.max_code());
  return static_cast<int16_t>(std::nearbyint(std::min(std::max(y, low), high)));
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
