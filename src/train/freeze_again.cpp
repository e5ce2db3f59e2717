#include <algorithm>

#include "flatenn/base/error.h"
#include "nn/index.h"
#include "train/freeze_parts.h"

namespace flatenn::train {
namespace {

using nn::index;

void renew_scales(const nn::ModelImpl& model, net::Network& network) {
  for (size_t i = 0; i < network.activations.size(); ++i) {
    net::Activation& activation = network.activations[i];
    if (activation.is_float) continue;
    const torch::Tensor scale = model.quantizer_of(static_cast<int64_t>(i)).scale();
    check_finite(scale, "the scale of activation " + activation.name);
    activation.scale = scale.item<float>();
    FLATENN_CHECK(activation.scale > 0, "freeze: the scale of activation ", activation.name,
                  " is 0; training has diverged");
  }
}

/// Codes are stored with their zero points.
std::vector<int8_t> stored_codes(const torch::Tensor& codes, const net::Weights& weights) {
  std::vector<int8_t> stored = to_vector<int8_t, float>(codes);
  if (weights.zero_points.empty()) return stored;
  const auto whole = to_vector<int, float>(codes);
  for (size_t i = 0; i < stored.size(); ++i) {
    const int64_t channel = static_cast<int64_t>(i) / weights.fan_in();
    stored[i] = static_cast<int8_t>(whole[i] + weights.zero_point(channel));
  }
  return stored;
}

void renew_weights(const nn::QuantLayerImpl& source, const torch::Tensor& input_scale,
                   net::Layer& layer, std::vector<std::string>& warnings) {
  check_finite(source);
  const nn::FoldedLayer folded = source.fold(input_scale);
  check_finite(folded.scales, "the weight scale of layer " + layer.name);
  layer.weights.codes = stored_codes(folded.codes, layer.weights);
  layer.weights.scales = to_vector<float, float>(folded.scales);
  layer.bias = to_vector<int32_t, double>(folded.bias);
  warn_of_clamping(folded, layer.name, warnings);
}

}  // namespace

FreezeResult freeze_again(const nn::ModelImpl& model, const FreezeOptions& options) {
  FreezeResult result{.network = *model.options().network};
  net::Network& network = result.network;
  for (const auto& [key, value] : options.metadata) network.metadata[key] = value;
  renew_scales(model, network);
  size_t next = 0;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    net::Layer& layer = network.layers[i];
    if (layer.in_fixed_point() && !layer.factors.empty()) layer.factors = model.factors_of(i);
    if (!layer.multiplies()) continue;
    if (layer.twin >= 0) {
      const net::Layer& first = network.layers[index(layer.twin)];
      layer.weights = first.weights;
      layer.bias = first.bias;
      continue;
    }
    renew_weights(*model.layers()[next++], model.quantizer_of(layer.src).scale(), layer,
                  result.warnings);
  }
  encode(result, options.encoding);
  return result;
}

}  // namespace flatenn::train
