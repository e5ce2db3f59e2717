#pragma once

#include <torch/types.h>

#include <cstdint>

#include "flatenn/nn/quantize.h"

/// The passes behind fake_quantize's fused form, for one device each.
namespace flatenn::nn {

/// A grid as the kernels use it: v = step * round((clamp(u, low, high) - offset) / step) + offset.
struct GridValues {
  float low;     ///< v of the least code.
  float high;    ///< v of the greatest code.
  float step;    ///< 1, or 2 for kOdd.
  float offset;  ///< 0, or 1 for kOdd.
};
GridValues grid_values(const Grid& grid);

struct QuantizeGradients {
  torch::Tensor x;      ///< Shape of x.
  torch::Tensor scale;  ///< dL/ds times s (so dL/dlog_scale), not yet times gradient_scale.
};

/// s * v for every element; `scale` is float32, [1] or [size of x's first dimension].
torch::Tensor quantize_forward(const torch::Tensor& x, const torch::Tensor& scale,
                               const GridValues& grid);
/// Gradients of quantize_forward as fake_quantize defines them.
QuantizeGradients quantize_backward(const torch::Tensor& grad, const torch::Tensor& x,
                                    const torch::Tensor& scale, const GridValues& grid);

/// Plain loops on float32, for the CPU: one pass over the data, on LibTorch's threads. Sums run in
/// an order that does not depend on the number of threads.
torch::Tensor quantize_forward_cpu(const torch::Tensor& x, const torch::Tensor& scale,
                                   const GridValues& grid);
QuantizeGradients quantize_backward_cpu(const torch::Tensor& grad, const torch::Tensor& x,
                                        const torch::Tensor& scale, const GridValues& grid);

/// The same on a CUDA device, for float32 and bfloat16 x of any dense format, in float32
/// arithmetic. `grad` and the result have x's type.
torch::Tensor quantize_forward_cuda(const torch::Tensor& x, const torch::Tensor& scale,
                                    const GridValues& grid);
QuantizeGradients quantize_backward_cuda(const torch::Tensor& grad, const torch::Tensor& x,
                                         const torch::Tensor& scale, const GridValues& grid);

}  // namespace flatenn::nn
