#pragma once

#include <cstdint>

#include "engine/cuda/requantize.h"

/// The arithmetic contract of net::Layer, operation by operation: the _rn intrinsics keep the
/// compiler from contracting a product and a sum.
namespace flatenn::engine::cuda {

/// 1.5 * 2^23: adding it to |x| < 2^22 rounds x half to even and leaves it in the low mantissa
/// bits.
constexpr float kRounder = 12582912.0F;
constexpr int32_t kRounderBits = 0x4B400000;

/// (float(acc) + float(bias)) * multiplier
__device__ __forceinline__ float scaled(float acc, ChannelFactor factor) {
  return __fmul_rn(__fadd_rn(acc, factor.bias), factor.multiplier);
}

/// The low byte of the result is the code, rounded half to even and clamped.
__device__ __forceinline__ uint32_t rounded(float y, float low, float high) {
  return __float_as_uint(__fadd_rn(fminf(fmaxf(y, low), high), kRounder));
}

/// The code in the low byte of `code` as float; `sign` is 0x80 for signed codes, else 0.
__device__ __forceinline__ float code_to_float(uint32_t code, uint32_t sign) {
  // 2^23 + u has u in its low mantissa bits; the sign bit is flipped to make signed codes positive.
  const float shifted = __uint_as_float(0x4B000000U | ((code & 0xFFU) ^ sign));
  return __fadd_rn(shifted, -(8388608.0F + static_cast<float>(sign)));
}

__device__ __forceinline__ float rectified(float y) { return y > 0 ? y : 0.0F; }

}  // namespace flatenn::engine::cuda
