#pragma once

#include <cstdint>

namespace flatenn::engine::cuda {

/// What an output channel adds to and multiplies its sums by.
struct ChannelFactor {
  float bias = 0;  ///< float(bias)
  float multiplier = 0;
};

/// How a layer's sums become what it writes.
struct Requantize {
  float skip_multiplier = 0;
  uint32_t skip_sign = 0;  ///< 0x80 where the skip's codes are signed.
  float low = 0;           ///< Codes are clamped to [low, high]; ReLU raises low to 0.
  float high = 0;
  bool relu = false;        ///< For logits, which are not clamped.
  bool small_sums = false;  ///< |acc| < 2^22 whatever the weights: converts without rounding.
};

}  // namespace flatenn::engine::cuda
