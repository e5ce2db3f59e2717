#include "train/weight_range.h"

#include <ATen/Functions.h>

#include <cmath>

namespace flatenn::train {
namespace {

/// Of code values: keeps the logarithm finite where a layer's codes are all 0.
constexpr double kLeastRms = 1e-3;

torch::Tensor squared_range(const nn::QuantLayerImpl& layer) {
  const nn::WeightQuantizerImpl& quantizer = *layer.quantizer;
  const torch::Tensor& t = quantizer.log_scale;
  const torch::Tensor scale = quantizer.step(layer.weight).detach() * (t - t.detach()).exp();
  torch::Tensor alpha = scale * static_cast<double>(quantizer.grid().max_value());
  if (quantizer.gain.defined()) alpha = alpha * quantizer.gain;
  return alpha.square().mean();
}

/// Rms of the values of the codes that share a scale, [1] or [out].
torch::Tensor value_rms(const nn::QuantLayerImpl& layer) {
  const torch::NoGradGuard no_grad;
  const nn::QuantizedWeights weights = layer.quantizer->quantize(layer.weight);
  const torch::Tensor squares = nn::code_values(weights.codes, weights.value_map).square();
  return weights.scales.numel() == 1 ? squares.mean().sqrt().view({1})
                                     : squares.flatten(1).mean(1).sqrt();
}

torch::Tensor rms_distance(const nn::QuantLayerImpl& layer, double wanted_share) {
  const nn::Grid& grid = layer.quantizer->grid();
  const double half_range = static_cast<double>(grid.max_value() - grid.min_value()) / 2;
  const torch::Tensor ratio = value_rms(layer).clamp_min(kLeastRms) / (wanted_share * half_range);
  const torch::Tensor& t = layer.quantizer->log_scale;
  return (ratio.log() - (t - t.detach())).square().mean();
}

}  // namespace

void clip_weights(nn::ModelImpl& model, double limit) {
  const torch::NoGradGuard no_grad;
  for (const auto& layer : model.layers()) layer->weight.clamp_(-limit, limit);
}

torch::Tensor range_penalty(const nn::ModelImpl& model, const WeightRangeOptions& options) {
  torch::Tensor sum;
  const auto add = [&](const torch::Tensor& term) { sum = sum.defined() ? sum + term : term; };
  for (const auto& layer : model.layers()) {
    if (options.penalty > 0) add(options.penalty * squared_range(*layer));
    if (options.code_rms > 0)
      add(options.code_rms_strength * rms_distance(*layer, options.code_rms));
  }
  return sum;
}

}  // namespace flatenn::train
