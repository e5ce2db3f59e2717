#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

/// The CUDA kernels behind quantize_forward and quantize_backward, free of LibTorch.
namespace flatenn::nn::cuda {

enum class ElementType { kFloat32, kBFloat16 };

/// A dense tensor seen as `rows` of equal scale; elements of a row lie together.
struct QuantizeShape {
  int64_t rows = 1;
  int64_t row_length = 0;
  ElementType type = ElementType::kFloat32;       ///< Of x, its gradients and the result.
  float low = 0, high = 0, step = 1, offset = 0;  ///< nn::GridValues
};

/// y = scale[row] * v(x), in float32 whatever the type.
void launch_quantize_forward(const QuantizeShape& shape, const void* x, const float* scale, void* y,
                             cudaStream_t stream);

/// Floats of scratch memory that launch_quantize_backward needs.
int64_t quantize_backward_scratch(const QuantizeShape& shape);

/// grad_x, and grad_scale[row] = scale[row] * sum grad * (v - u inside, v outside). Sums run in an
/// order that depends on the shape alone.
void launch_quantize_backward(const QuantizeShape& shape, const void* grad, const void* x,
                              const float* scale, void* grad_x, float* grad_scale, float* scratch,
                              cudaStream_t stream);

}  // namespace flatenn::nn::cuda
