#include "nn/norm_quantize.h"

#include "flatenn/base/error.h"

#ifdef FLATENN_CUDA
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include "nn/norm_quantize_cuda.h"
#include "nn/quantize_kernels.h"
#endif

namespace flatenn::nn {

#ifdef FLATENN_CUDA
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;
using OptionalTensor = c10::optional<torch::Tensor>;

/// What a channel has, one after another in one tensor.
enum StatisticsRow { kMean, kFactor, kShift, kInverseDeviation, kStatisticsRows };

at::MemoryFormat format_of(const torch::Tensor& x) {
  return x.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

cuda::ElementType type_of(const torch::Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 ? cuda::ElementType::kBFloat16
                                             : cuda::ElementType::kFloat32;
}

cuda::NormShape shape_of(const torch::Tensor& x, const Grid& grid) {
  return {.rows = x.numel() / x.size(1),
          .channels = x.size(1),
          .type = type_of(x),
          .low = static_cast<float>(grid.min_code),
          .high = static_cast<float>(grid.max_code)};
}

cuda::NormStatistics rows_of(const torch::Tensor& statistics) {
  auto* data = static_cast<float*>(statistics.data_ptr());
  const int64_t channels = statistics.size(1);
  return {.mean = data + kMean * channels,
          .factor = data + kFactor * channels,
          .shift = data + kShift * channels,
          .inverse_deviation = data + kInverseDeviation * channels};
}

torch::Tensor scratch_for(const cuda::NormShape& shape, const torch::Tensor& statistics) {
  return torch::empty({cuda::norm_scratch(shape)}, statistics.options());
}

const void* data_of(const torch::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }

/// float32 [kStatisticsRows, channels]; moves the running statistics.
torch::Tensor batch_statistics(const cuda::NormShape& shape, const torch::Tensor& x,
                               const BatchNorm& norm) {
  torch::Tensor statistics =
      torch::empty({kStatisticsRows, shape.channels}, x.options().dtype(torch::kFloat32));
  torch::Tensor scratch = scratch_for(shape, statistics);
  cuda::RunningStatistics running{};
  if (norm.running_mean.defined())
    running = {static_cast<float*>(norm.running_mean.data_ptr()),
               static_cast<float*>(norm.running_var.data_ptr()), static_cast<float>(norm.momentum)};
  cuda::launch_norm_statistics(shape, x.const_data_ptr(), norm.gamma.const_data_ptr<float>(),
                               norm.beta.const_data_ptr<float>(), norm.epsilon, rows_of(statistics),
                               running, scratch.mutable_data_ptr<float>(),
                               c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return statistics;
}

class NormQuantize : public torch::autograd::Function<NormQuantize> {
 public:
  /// `gamma`, `beta` and `log_scale` are norm's and the quantizer's, here for their gradients.
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& /*gamma*/, const torch::Tensor& /*beta*/,
                               const OptionalTensor& skip, const torch::Tensor& /*log_scale*/,
                               const torch::Tensor& scale, const BatchNorm& norm, int64_t min_code,
                               int64_t max_code, double gradient_scale) {
    const torch::Tensor maps = x.contiguous(format_of(x));
    const torch::Tensor added = skip ? skip->contiguous(format_of(x)) : torch::Tensor();
    const cuda::NormShape shape = shape_of(maps, {min_code, max_code});
    const torch::Tensor statistics = batch_statistics(shape, maps, norm);
    torch::Tensor y = torch::empty_like(maps);
    cuda::launch_norm_quantize(shape, maps.const_data_ptr(), data_of(added), rows_of(statistics),
                               scale.const_data_ptr<float>(), y.mutable_data_ptr(),
                               c10::cuda::getCurrentCUDAStream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    context->save_for_backward({maps, added, statistics, scale});
    context->saved_data["min_code"] = min_code;
    context->saved_data["max_code"] = max_code;
    context->saved_data["gradient_scale"] = gradient_scale;
    return y;
  }

  static tensor_list backward(AutogradContext* context, tensor_list grads) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor &maps = saved[0], &added = saved[1], &statistics = saved[2];
    const torch::Tensor& scale = saved[3];
    const cuda::NormShape shape = shape_of(maps, Grid{context->saved_data["min_code"].toInt(),
                                                      context->saved_data["max_code"].toInt()});
    const torch::Tensor above = grads[0].contiguous(format_of(maps));
    torch::Tensor x = torch::empty_like(maps);
    torch::Tensor skip = added.defined() ? torch::empty_like(maps) : torch::Tensor();
    torch::Tensor gamma = torch::empty({shape.channels}, statistics.options());
    torch::Tensor beta = torch::empty_like(gamma);
    torch::Tensor log_scale = torch::empty_like(scale);
    torch::Tensor scratch = scratch_for(shape, statistics);
    cuda::launch_norm_quantize_backward(
        shape, above.const_data_ptr(), maps.const_data_ptr(), data_of(added), rows_of(statistics),
        scale.const_data_ptr<float>(),
        static_cast<float>(context->saved_data["gradient_scale"].toDouble()),
        {.x = x.mutable_data_ptr(),
         .skip = skip.defined() ? skip.mutable_data_ptr() : nullptr,
         .gamma = gamma.mutable_data_ptr<float>(),
         .beta = beta.mutable_data_ptr<float>(),
         .scale = log_scale.mutable_data_ptr<float>()},
        scratch.mutable_data_ptr<float>(), c10::cuda::getCurrentCUDAStream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return {x, gamma, beta, skip, log_scale, {}, {}, {}, {}, {}};
  }
};

}  // namespace

bool covers_norm_quantize(const torch::Tensor& x) {
  const bool type = x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16;
  const bool form = (x.dim() == 2 || x.dim() == 4) && x.is_contiguous(format_of(x));
  return x.is_cuda() && type && form && x.numel() > 0 &&
         x.size(1) % cuda::vector_size(type_of(x)) == 0;
}

torch::Tensor norm_quantize(const torch::Tensor& x, const BatchNorm& norm,
                            const torch::Tensor& skip, const QuantizerInputs& quantizer) {
  const OptionalTensor added = skip.defined() ? OptionalTensor(skip) : c10::nullopt;
  return NormQuantize::apply(x, norm.gamma, norm.beta, added, quantizer.log_scale,
                             real_scale(quantizer.log_scale, quantizer.base), norm,
                             quantizer.grid.min_code, quantizer.grid.max_code,
                             quantizer.gradient_scale);
}

#else

bool covers_norm_quantize(const torch::Tensor& /*x*/) { return false; }

torch::Tensor norm_quantize(const torch::Tensor& /*x*/, const BatchNorm& /*norm*/,
                            const torch::Tensor& /*skip*/, const QuantizerInputs& /*quantizer*/) {
  FLATENN_ASSERT(false, "norm_quantize without CUDA");
}

#endif

}  // namespace flatenn::nn
