#include "flatenn/train/freeze.h"

#include <utility>

#include "flatenn/base/error.h"
#include "nn/index.h"
#include "train/freeze_parts.h"

namespace flatenn::train {
namespace {

using nn::index;

std::vector<net::Activation> freeze_activations(const nn::ModelImpl& model) {
  std::vector<net::Activation> activations(model.shapes().size());
  activations[0].name = "image";
  activations[0].shape = model.shapes()[0];
  for (const nn::LayerSpec& spec : model.graph()) {
    net::Activation& activation = activations[index(spec.dst)];
    activation.name = spec.name + "_out";
    activation.shape = model.shapes()[index(spec.dst)];
  }
  for (size_t i = 0; i + 1 < activations.size(); ++i) {
    const nn::ActivationQuantizerImpl& quantizer = model.quantizer_of(static_cast<int64_t>(i));
    const torch::Tensor scale = quantizer.scale();
    check_finite(scale, "the scale of activation " + activations[i].name);
    activations[i].bits = static_cast<int>(quantizer.bits());
    activations[i].is_signed = quantizer.is_signed();
    activations[i].scale = scale.item<float>();
  }
  activations.back().name = "logits";
  activations.back().is_float = true;
  return activations;
}

net::Layer plain_layer(const nn::LayerSpec& spec) {
  net::Layer layer;
  layer.name = spec.name;
  layer.kind = spec.kind;
  layer.src = spec.src;
  layer.dst = spec.dst;
  layer.skip = spec.skip;
  layer.others = spec.others;
  layer.window = spec.window;
  if (spec.multiplies()) layer.window.set_kernel(1);  // its weights have it
  layer.groups = spec.groups;
  layer.relu = spec.relu;
  return layer;
}

void freeze_weights(const nn::QuantLayerImpl& source, const torch::Tensor& input_scale,
                    net::Layer& layer, std::vector<std::string>& warnings) {
  const nn::LayerSpec& spec = source.spec();
  check_finite(source);
  const nn::FoldedLayer folded = source.fold(input_scale);
  check_finite(folded.scales, "the weight scale of layer " + spec.name);
  net::Weights& weights = layer.weights;
  weights.out_channels = spec.out_channels;
  weights.in_channels = spec.in_channels / spec.groups;
  weights.kernel_height = spec.window.kernel_height;
  weights.kernel_width = spec.window.kernel_width;
  weights.bits = static_cast<int>(source.quantizer->options().bits);
  weights.value_map = folded.value_map;
  weights.codes = to_vector<int8_t, float>(folded.codes);
  weights.scales = to_vector<float, float>(folded.scales);
  layer.bias = to_vector<int32_t, double>(folded.bias);
  warn_of_clamping(folded, spec.name, warnings);
}

}  // namespace

FreezeResult freeze(const nn::ModelImpl& model, const FreezeOptions& options) {
  const nn::QuantOptions& quant = model.options().quant;
  FLATENN_CHECK(quant.enabled, "freeze: the model is not quantized (quant.enabled = false)");
  FLATENN_CHECK(model.calibrated(), "freeze: the model has no activation scales yet; calibrate it");
  if (model.options().network) return freeze_again(model, options);
  FreezeResult result;
  net::Network& network = result.network;
  network.name = options.name;
  network.metadata = options.metadata;
  network.metadata["quantizer"] = nn::to_string(quant.quantizer);
  network.activations = freeze_activations(model);
  size_t next = 0;
  for (const nn::LayerSpec& spec : model.graph()) {
    net::Layer layer = plain_layer(spec);
    if (spec.multiplies())
      freeze_weights(*model.layers()[next++], model.quantizer_of(spec.src).scale(), layer,
                     result.warnings);
    network.layers.push_back(std::move(layer));
  }
  encode(result, options.encoding);
  return result;
}

}  // namespace flatenn::train
