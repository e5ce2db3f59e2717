#pragma once

#include <cuda_bf16.h>

#include <cstdint>

/// What the CUDA kernels of quantizers share: vectors of elements, and the grid.
namespace flatenn::nn::cuda {

/// 16 bytes of elements.
template <typename T>
struct Vector {
  static constexpr int kSize = 16 / sizeof(T);
  T values[kSize];
};

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void from_float(float value, float& x) { x = value; }
__device__ inline void from_float(float value, __nv_bfloat16& x) { x = __float2bfloat16_rn(value); }

/// u = x / scale and the grid's v, as the CPU's kernel computes them.
struct Quantized {
  float u, clamped, v;
};

/// `shape` has the grid's low, high, step and offset.
template <typename Shape>
__device__ Quantized quantize(float x, float inverse, const Shape& shape) {
  Quantized q{};
  q.u = __fmul_rn(x, inverse);
  // Not fminf and fmaxf, which would hide a NaN.
  q.clamped = q.u < shape.low ? shape.low : q.u > shape.high ? shape.high : q.u;
  const float k = rintf(__fmul_rn(__fsub_rn(q.clamped, shape.offset), 1.0F / shape.step));
  q.v = __fadd_rn(__fmul_rn(k, shape.step), shape.offset);
  return q;
}

/// s * v; + 0 turns -0 into 0, as on the CPU.
__device__ inline float real_value(const Quantized& q, float scale) {
  return __fadd_rn(__fmul_rn(q.v, scale), 0.0F);
}

}  // namespace flatenn::nn::cuda
