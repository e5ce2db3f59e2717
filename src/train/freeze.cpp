#include "flatenn/train/freeze.h"

#include <cmath>
#include <utility>

#include "flatenn/base/error.h"
#include "train/code_range.h"

namespace flatenn::train {
namespace {

size_t index(int64_t i) { return static_cast<size_t>(i); }

template <typename To, typename From>
std::vector<To> to_vector(const torch::Tensor& tensor) {
  const torch::Tensor host = tensor.detach().cpu().contiguous();
  const From* from = host.data_ptr<From>();
  std::vector<To> values(index(host.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<To>(from[i]);
  return values;
}

void check_finite(const torch::Tensor& tensor, const std::string& what) {
  FLATENN_CHECK(tensor.isfinite().all().item<bool>(), "freeze: ", what,
                " holds values that are not finite; training has diverged");
}

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
  layer.window.set_stride(spec.stride);
  layer.window.set_pad(spec.pad);
  layer.groups = spec.groups;
  layer.relu = spec.relu;
  if (!spec.multiplies()) layer.window.set_kernel(spec.kernel);
  return layer;
}

void name_channels(const torch::Tensor& marked, const std::string& layer, const std::string& what,
                   std::vector<std::string>& warnings) {
  const auto flags = to_vector<uint8_t, uint8_t>(marked.to(torch::kUInt8));
  for (size_t c = 0; c < flags.size(); ++c)
    if (flags[c] != 0)
      warnings.push_back("layer " + layer + ", channel " + std::to_string(c) + ": " + what);
}

void freeze_weights(const nn::QuantLayerImpl& source, const torch::Tensor& input_scale,
                    net::Layer& layer, std::vector<std::string>& warnings) {
  const nn::LayerSpec& spec = source.spec();
  for (const auto& item : source.named_parameters())
    check_finite(item.value(), "parameter " + spec.name + "." + item.key());
  for (const auto& item : source.named_buffers())
    check_finite(item.value(), "buffer " + spec.name + "." + item.key());
  const nn::FoldedLayer folded = source.fold(input_scale);
  check_finite(folded.scales, "the weight scale of layer " + spec.name);
  net::Weights& weights = layer.weights;
  weights.out_channels = spec.out_channels;
  weights.in_channels = spec.in_channels / spec.groups;
  weights.kernel_height = weights.kernel_width = spec.kernel;
  weights.bits = static_cast<int>(source.quantizer->options().bits);
  weights.value_map = folded.value_map;
  weights.codes = to_vector<int8_t, float>(folded.codes);
  weights.scales = to_vector<float, float>(folded.scales);
  layer.bias = to_vector<int32_t, double>(folded.bias);
  name_channels(folded.bias_clamped, spec.name, "the bias left +-2^30 and was clamped", warnings);
  name_channels(folded.factor_raised, spec.name,
                "batch norm's |gamma / sigma| was below 1e-12 and was raised to it", warnings);
}

double rms_of_values(const net::Weights& weights) {
  double sum = 0;
  for (const int8_t code : weights.codes) {
    const double value = weights.value(code);
    sum += value * value;
  }
  return std::sqrt(sum / static_cast<double>(weights.codes.size()));
}

}  // namespace

FreezeResult freeze(const nn::ModelImpl& model, const FreezeOptions& options) {
  const nn::QuantOptions& quant = model.options().quant;
  FLATENN_CHECK(quant.enabled, "freeze: the model is not quantized (quant.enabled = false)");
  FLATENN_CHECK(model.calibrated(), "freeze: the model has no activation scales yet; calibrate it");
  FreezeResult result;
  net::Network& network = result.network;
  network.name = options.name;
  network.metadata = options.metadata;
  network.metadata["quantizer"] = nn::to_string(quant.quantizer);
  network.metadata["encoding"] = fault::to_string(options.encoding);
  network.activations = freeze_activations(model);
  size_t next = 0;
  for (const nn::LayerSpec& spec : model.graph()) {
    net::Layer layer = plain_layer(spec);
    if (spec.multiplies())
      freeze_weights(*model.layers()[next++], model.quantizer_of(spec.src).scale(), layer,
                     result.warnings);
    network.layers.push_back(std::move(layer));
  }
  result.saturated_codes = fault::saturate(network, options.encoding);
  for (const net::Layer& layer : network.layers) {
    if (!layer.multiplies()) continue;
    const double rms = rms_of_values(layer.weights);
    result.code_rms[layer.name] = rms;
    const std::string warning =
        judge_code_rms(layer.name, layer.weights.bits, layer.weights.value_map, rms);
    if (!warning.empty()) result.warnings.push_back(warning);
  }
  network.validate();
  return result;
}

}  // namespace flatenn::train
