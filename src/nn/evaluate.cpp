// The model's evaluation mode: net::Layer's arithmetic on codes held in float32 tensors.
#include <ATen/Functions.h>

#include "flatenn/nn/model.h"

namespace flatenn::nn {
namespace {

size_t index(int64_t i) { return static_cast<size_t>(i); }

/// (float)(from / to) of two scales.
torch::Tensor ratio(const torch::Tensor& from, const torch::Tensor& to) {
  return (from.to(torch::kFloat64) / to.to(torch::kFloat64)).to(torch::kFloat32);
}

}  // namespace

torch::Tensor ModelImpl::evaluate(const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  layer_inputs_.clear();
  std::vector<torch::Tensor> codes(shapes_.size());
  codes[0] = quantizers_[0]->codes(images);
  int64_t layer = 0;
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    if (codes[index(spec.dst)].defined()) continue;  // a pool done together with its layer
    const torch::Tensor& x = codes[index(spec.src)];
    torch::Tensor& y = codes[index(spec.dst)];
    if (spec.multiplies()) {
      if (spec.src != 0) record(layer, x);
      const QuantLayerImpl& product = *layers_[index(layer++)];
      const LayerSpec* pool = pool_after_[i] >= 0 ? &graph_[index(pool_after_[i])] : nullptr;
      if (pool && !product.can_pool(*pool, x)) pool = nullptr;
      (pool ? codes[index(pool->dst)] : y) = evaluate_product(spec, product, pool, codes);
    } else if (spec.kind == net::LayerKind::kMaxPool) {
      y = at::max_pool2d(x, {spec.kernel, spec.kernel}, {spec.stride, spec.stride});
    } else {
      const double area = static_cast<double>(spec.kernel * spec.kernel);
      // Sums are integers far below 2^24, so the order of additions does not matter.
      const torch::Tensor sum =
          at::avg_pool2d(x, {spec.kernel, spec.kernel}, {spec.stride, spec.stride},
                         /*padding=*/0, /*ceil_mode=*/false, /*count_include_pad=*/true,
                         /*divisor_override=*/1);
      const torch::Tensor from = quantizer_of(spec.src).scale();
      const torch::Tensor to = quantizers_[index(spec.dst)]->scale().to(torch::kFloat64) * area;
      y = requantize(spec, sum * ratio(from, to));
    }
  }
  return codes[index(graph_.back().dst)];
}

torch::Tensor ModelImpl::evaluate_product(const LayerSpec& spec, const QuantLayerImpl& layer,
                                          const LayerSpec* pool,
                                          const std::vector<torch::Tensor>& codes) {
  const torch::Tensor input_scale = quantizer_of(spec.src).scale();
  const auto& quantizer = quantizers_[index(spec.dst)];
  const torch::Tensor output_scale =
      quantizer ? quantizer->scale() : torch::ones({1}, input_scale.options());
  const FoldedLayer folded = layer.fold(input_scale);
  const torch::Tensor& x = codes[index(spec.src)];
  const torch::Tensor acc =
      pool ? layer.accumulate_pooled(x, folded.values) : layer.accumulate(x, folded.values);
  torch::Tensor y = requantized(folded, acc, input_scale, output_scale.to(torch::kFloat64));
  if (spec.skip >= 0)
    y = y + codes[index(spec.skip)] * ratio(quantizer_of(spec.skip).scale(), output_scale);
  if (!quantizer) return spec.relu ? at::relu(y) : y;
  return requantize(spec, y);
}

torch::Tensor ModelImpl::requantize(const LayerSpec& spec, const torch::Tensor& y) const {
  const Grid& grid = quantizers_[index(spec.dst)]->grid();
  return y.round().clamp(static_cast<double>(grid.min_code), static_cast<double>(grid.max_code));
}

}  // namespace flatenn::nn
