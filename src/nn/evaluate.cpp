// The model's evaluation mode: net::Layer's arithmetic on codes held in float32 tensors, each less
// its activation's zero point.
#include <ATen/Functions.h>

#include <algorithm>

#include "flatenn/nn/model.h"
#include "nn/choices.h"
#include "nn/index.h"
#include "nn/integer_ops.h"
#include "nn/windows.h"

namespace flatenn::nn {
namespace {

/// (float)(from / to) of two scales.
torch::Tensor ratio(const torch::Tensor& from, const torch::Tensor& to) {
  return (from.to(torch::kFloat64) / to.to(torch::kFloat64)).to(torch::kFloat32);
}

/// fma(code, multiplier, y): the product is exact in float64, and the sum rounds once to float32.
torch::Tensor add_scaled(const torch::Tensor& y, const torch::Tensor& code,
                         const torch::Tensor& multiplier) {
  return (y.to(torch::kFloat64) +
          code.view(y.sizes()).to(torch::kFloat64) * multiplier.to(torch::kFloat64))
      .to(torch::kFloat32);
}

torch::Tensor whole(const torch::Tensor& x) { return x.to(torch::kInt64); }

torch::Tensor clamped(const torch::Tensor& y, const Grid& grid) {
  return y.clamp(static_cast<double>(grid.min_code), static_cast<double>(grid.max_code));
}

/// [out] to spread over [N, out, H, W]; rows stay.
torch::Tensor over_maps(const torch::Tensor& values, int64_t dims) {
  return dims == 4 ? values.view({-1, 1, 1}) : values;
}

}  // namespace

torch::Tensor ModelImpl::scale_of(int64_t activation) const {
  if (!is_float(activation)) return quantizer_of(activation).scale();
  return torch::ones({1}, quantizers_[0]->scale().options());
}

torch::Tensor ModelImpl::evaluate(const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> codes(shapes_.size());
  codes[0] = image_codes(images);
  evaluate(codes, true);
  const int64_t last = graph_.back().dst;
  const torch::Tensor logits = codes[index(last)].flatten(1);
  return is_float(last) ? logits : logits * scale_of(last);
}

std::vector<torch::Tensor> ModelImpl::trace(const torch::Tensor& image_codes) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> codes(shapes_.size());
  codes[0] = image_codes;
  evaluate(codes, false);
  return codes;
}

void ModelImpl::evaluate(std::vector<torch::Tensor>& codes, bool fuse) {
  layer_inputs_.clear();
  for (size_t i = 0; i < graph_.size(); ++i) {
    const LayerSpec& spec = graph_[i];
    torch::Tensor& y = codes[index(spec.dst)];
    if (y.defined()) continue;  // a pool done together with its layer
    const torch::Tensor& x = codes[index(spec.src)];
    switch (spec.kind) {
      case net::LayerKind::kConv:
      case net::LayerKind::kLinear: {
        record(i, x);
        const LayerSpec* pool =
            fuse && pool_after_[i] >= 0 ? &graph_[index(pool_after_[i])] : nullptr;
        const QuantLayerImpl& product = product_of(i);
        if (pool && (!product.can_pool(*pool, x) || product.quantizer->may_invert()))
          pool = nullptr;
        (pool ? codes[index(pool->dst)] : y) = evaluate_product(i, pool, codes);
        break;
      }
      case net::LayerKind::kMaxPool:
        y = max_pool(maps(spec.src, codes), spec.window);
        if (may_miss_image(spec.window)) y = clamped(y, limits_[i]);
        break;
      case net::LayerKind::kAvgPool:
        y = evaluate_mean(i, maps(spec.src, codes));
        break;
      case net::LayerKind::kAdd:
      case net::LayerKind::kMul:
        y = evaluate_pair(i, maps(spec.src, codes), maps(spec.others[0], codes));
        break;
      case net::LayerKind::kConcat:
        y = joined(spec, codes);
        break;
      case net::LayerKind::kTable:
        y = look_up(constants_[i].table, maps(spec.src, codes),
                    quantizer_of(spec.src).grid().min_code);
        break;
      case net::LayerKind::kMove:
        y = reorder(x, constants_[i].order, shapes_[index(spec.dst)]);
        break;
    }
  }
}

torch::Tensor ModelImpl::evaluate_product(size_t layer, const LayerSpec* pool,
                                          const std::vector<torch::Tensor>& codes) {
  const LayerSpec& spec = graph_[layer];
  const QuantLayerImpl& product = product_of(layer);
  const torch::Tensor input_scale = scale_of(spec.src);
  const torch::Tensor output_scale = scale_of(spec.dst);
  const FoldedLayer folded = product.fold(input_scale);
  const torch::Tensor x =
      spec.kind == net::LayerKind::kConv ? maps(spec.src, codes) : codes[index(spec.src)];
  const torch::Tensor acc =
      pool ? product.accumulate_pooled(x, folded.values) : product.accumulate(x, folded.values);
  if (spec.in_fixed_point()) {
    const IntegerFactors factors = integer_factors(factors_of(layer), acc.dim(), acc.device());
    const torch::Tensor sum = whole(acc) + over_maps(whole(folded.bias), acc.dim());
    return requantize_whole(layer, spec.requantization == net::Requantization::kFixedPointOnce
                                       ? multiply_once(sum, factors)
                                       : multiply(sum, factors));
  }
  torch::Tensor y = requantized(folded, acc, input_scale, output_scale.to(torch::kFloat64));
  if (spec.skip >= 0)
    y = add_scaled(y, codes[index(spec.skip)], ratio(scale_of(spec.skip), output_scale));
  return requantize(layer, y);
}

torch::Tensor ModelImpl::evaluate_mean(size_t layer, const torch::Tensor& x) const {
  const LayerSpec& spec = graph_[layer];
  const net::Window& w = spec.window;
  // Sums are whole numbers below 2^24, so the order of additions does not matter.
  const torch::Tensor sum = sum_pool(x, w);
  const torch::Tensor counts = constants_[layer].counts.defined()
                                   ? constants_[layer].counts
                                   : torch::full({1}, double(w.kernel_height * w.kernel_width),
                                                 x.options().dtype(torch::kFloat64));
  if (!spec.in_fixed_point()) {
    const torch::Tensor to = counts * scale_of(spec.dst).to(torch::kFloat64);
    return requantize(layer, sum * ratio(scale_of(spec.src), to));
  }
  if (!spec.factors.empty())
    return requantize_whole(
        layer, multiply(whole(sum), integer_factors(factors_of(layer), 4, x.device())));
  const int64_t zero = quantizer_of(spec.src).zero_point();
  return requantize_whole(layer,
                          rounded_mean(whole(sum) + whole(counts) * zero, whole(counts)) - zero);
}

torch::Tensor ModelImpl::evaluate_pair(size_t layer, const torch::Tensor& a,
                                       const torch::Tensor& b) const {
  const LayerSpec& spec = graph_[layer];
  const bool adds = spec.kind == net::LayerKind::kAdd;
  if (!spec.in_fixed_point()) {
    const torch::Tensor x = scale_of(spec.src) * a;
    const torch::Tensor y = scale_of(spec.others[0]) * b;
    const torch::Tensor z = adds ? x + y : x * y;
    return requantize(layer, is_float(spec.dst) ? z : z / scale_of(spec.dst));
  }
  const std::vector<net::FixedPoint> all = factors_of(layer);
  const auto times = [&](const torch::Tensor& x, size_t at) {
    return multiply(x, integer_factors({all[at]}, 4, x.device()));
  };
  if (!adds) return requantize_whole(layer, times(whole(a) * whole(b), 0));
  constexpr int64_t kOne = 1 << 20;
  return requantize_whole(layer, times(times(whole(a) * kOne, 0) + times(whole(b) * kOne, 1), 2));
}

torch::Tensor ModelImpl::requantize(size_t layer, const torch::Tensor& y) const {
  const LayerSpec& spec = graph_[layer];
  if (is_float(spec.dst)) return spec.relu ? at::relu(y) : y;
  return clamped(y.round(), limits_[layer]);
}

torch::Tensor ModelImpl::requantize_whole(size_t layer, const torch::Tensor& y) const {
  const Grid& grid = limits_[layer];
  return y.clamp(grid.min_code, grid.max_code).to(torch::kFloat32);
}

std::vector<net::FixedPoint> ModelImpl::factors_of(size_t layer) const {
  const LayerSpec& spec = graph_[layer];
  const net::Network& network = *options_.network;
  bool moved = false;
  const auto scale = [&](int64_t activation) {
    const auto now = quantizer_of(activation).scale().item<float>();
    moved = moved || now != network.activations[index(activation)].scale;
    return static_cast<double>(now);
  };
  const double src = scale(spec.src);
  const double dst = scale(spec.dst);
  std::vector<double> real;
  if (spec.multiplies()) {
    const QuantLayerImpl& product = *layers_[index(layer_of_[layer])];
    const torch::Tensor scales =
        product.quantizer->quantize(product.weight).scales.to(torch::kFloat32).cpu();
    const std::vector<float>& file = network.layers[layer].weights.scales;
    for (int64_t c = 0; c < scales.numel(); ++c) {
      const float now = scales.data_ptr<float>()[c];
      moved = moved || now != file[index(c)];
      real.push_back(src * static_cast<double>(now) / dst);
    }
  } else if (spec.kind == net::LayerKind::kAvgPool) {
    real.push_back(
        src / (static_cast<double>(spec.window.kernel_height * spec.window.kernel_width) * dst));
  } else {
    const double other = scale(spec.others.front());
    const double unit = 2 * std::max(src, other);
    real = spec.kind == net::LayerKind::kMul
               ? std::vector<double>{src * other / dst}
               : std::vector<double>{src / unit, other / unit, unit / (dst * (1 << 20))};
  }
  if (!moved) return spec.factors;
  std::vector<net::FixedPoint> factors;
  for (const double factor : real) factors.push_back(net::fixed_point(factor));
  return factors;
}

}  // namespace flatenn::nn
