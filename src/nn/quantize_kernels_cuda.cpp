#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include "nn/quantize_cuda.h"
#include "nn/quantize_kernels.h"

namespace flatenn::nn {
namespace {

cuda::QuantizeShape shape_of(const torch::Tensor& x, const torch::Tensor& scale,
                             const GridValues& grid) {
  const bool half = x.scalar_type() == torch::kBFloat16;
  return {.rows = scale.numel(),
          .row_length = x.numel() / scale.numel(),
          .type = half ? cuda::ElementType::kBFloat16 : cuda::ElementType::kFloat32,
          .low = grid.low,
          .high = grid.high,
          .step = grid.step,
          .offset = grid.offset};
}

/// Dense, in x's own order of dimensions: the first one is outermost in every format we use.
torch::Tensor dense(const torch::Tensor& x) { return x.contiguous(x.suggest_memory_format()); }

}  // namespace

torch::Tensor quantize_forward_cuda(const torch::Tensor& x, const torch::Tensor& scale,
                                    const GridValues& grid) {
  const torch::Tensor src = dense(x);
  torch::Tensor dst = torch::empty_like(src);
  cuda::launch_quantize_forward(shape_of(src, scale, grid), src.const_data_ptr(),
                                scale.const_data_ptr<float>(), dst.mutable_data_ptr(),
                                c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return dst;
}

QuantizeGradients quantize_backward_cuda(const torch::Tensor& grad, const torch::Tensor& x,
                                         const torch::Tensor& scale, const GridValues& grid) {
  const torch::Tensor src = dense(x);
  const torch::Tensor above = grad.contiguous(src.suggest_memory_format());
  QuantizeGradients result{torch::empty_like(src), torch::empty_like(scale)};
  const cuda::QuantizeShape shape = shape_of(src, scale, grid);
  torch::Tensor scratch = torch::empty({cuda::quantize_backward_scratch(shape)}, scale.options());
  cuda::launch_quantize_backward(
      shape, above.const_data_ptr(), src.const_data_ptr(), scale.const_data_ptr<float>(),
      result.x.mutable_data_ptr(), result.scale.mutable_data_ptr<float>(),
      scratch.mutable_data_ptr<float>(), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return result;
}

}  // namespace flatenn::nn
