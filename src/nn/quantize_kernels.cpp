#include "nn/quantize_kernels.h"

namespace flatenn::nn {
namespace {

/// [C] -> [C, 1, ..., 1] so that it spreads over x's first dimension; [1] stays.
torch::Tensor spread(const torch::Tensor& scale, const torch::Tensor& x) {
  if (scale.numel() == 1) return scale.view({1});
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = scale.numel();
  return scale.view(shape);
}

torch::Tensor round_to_grid(const torch::Tensor& u, const GridValues& grid) {
  const torch::Tensor clamped = u.clamp(grid.low, grid.high);
  return ((clamped - grid.offset) / grid.step).round() * grid.step + grid.offset;
}

torch::Tensor sum_like_scale(const torch::Tensor& terms, const torch::Tensor& scale) {
  if (scale.numel() == 1) return terms.sum().view_as(scale);
  return terms.reshape({scale.numel(), -1}).sum(1);
}

bool has_cpu_kernel(const torch::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == torch::kFloat32;
}

#ifdef FLATENN_CUDA
bool has_cuda_kernel(const torch::Tensor& x) {
  return x.is_cuda() && (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16);
}
#endif

}  // namespace

GridValues grid_values(const Grid& grid) {
  const bool odd = grid.value_map == net::ValueMap::kOdd;
  return {static_cast<float>(grid.min_value()), static_cast<float>(grid.max_value()),
          odd ? 2.0F : 1.0F, odd ? 1.0F : 0.0F};
}

torch::Tensor quantize_forward(const torch::Tensor& x, const torch::Tensor& scale,
                               const GridValues& grid) {
  if (has_cpu_kernel(x)) return quantize_forward_cpu(x, scale, grid);
#ifdef FLATENN_CUDA
  if (has_cuda_kernel(x)) return quantize_forward_cuda(x, scale, grid);
#endif
  const torch::Tensor s = spread(scale, x);
  return round_to_grid(x * s.reciprocal(), grid) * s;
}

QuantizeGradients quantize_backward(const torch::Tensor& grad, const torch::Tensor& x,
                                    const torch::Tensor& scale, const GridValues& grid) {
  if (has_cpu_kernel(x)) return quantize_backward_cpu(grad, x, scale, grid);
#ifdef FLATENN_CUDA
  if (has_cuda_kernel(x)) return quantize_backward_cuda(grad, x, scale, grid);
#endif
  const torch::Tensor s = spread(scale, x);
  const torch::Tensor u = x * s.reciprocal();
  const torch::Tensor v = round_to_grid(u, grid);
  const torch::Tensor inside = (u >= grid.low).logical_and(u <= grid.high);
  const torch::Tensor terms = grad * torch::where(inside, v - u, v);
  return {grad * inside, sum_like_scale(terms, scale) * scale};
}

}  // namespace flatenn::nn
