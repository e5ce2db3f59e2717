#include <cmath>

#include "flatenn/base/error.h"
#include "flatenn/nn/model.h"

namespace flatenn::nn {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Whether a tensor belongs to a quantizer, which a float network does not have.
bool belongs_to_quantizer(const std::string& name) {
  return ends_with(name, "log_scale") || ends_with(name, ".gain") ||
         ends_with(name, ".initialized") || ends_with(name, ".scale") ||
         ends_with(name, ".least_log_scale");
}

}  // namespace

std::map<std::string, torch::Tensor> named_state(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> state;
  for (const auto& item : module.named_parameters()) state[item.key()] = item.value().detach();
  for (const auto& item : module.named_buffers()) state[item.key()] = item.value().detach();
  return state;
}

WarmStart warm_start(ModelImpl& model, const std::map<std::string, torch::Tensor>& state) {
  const torch::NoGradGuard no_grad;
  WarmStart result;
  for (const auto& [name, tensor] : named_state(model)) {
    const auto found = state.find(name);
    if (found == state.end()) {
      FLATENN_CHECK(belongs_to_quantizer(name), "warm start: the source has no tensor \"", name,
                    "\"; it must be of the same architecture");
      result.missing.push_back(name);
      continue;
    }
    FLATENN_CHECK(found->second.sizes() == tensor.sizes(), "warm start: tensor \"", name,
                  "\" has shape ", tensor.sizes(), " here and ", found->second.sizes(),
                  " in the source");
    torch::Tensor target = tensor;
    target.copy_(found->second);
    result.copied.push_back(name);
  }
  for (const auto& item : model.named_children()) {
    const auto* layer = dynamic_cast<const QuantLayerImpl*>(item.value().get());
    if (!layer || !layer->quantized()) continue;
    if (state.count(item.key() + ".quantizer.log_scale") == 0)
      layer->quantizer->initialize(layer->weight);
  }
  return result;
}

std::map<std::string, double> code_rms(const ModelImpl& model) {
  std::map<std::string, double> rms;
  for (const auto& layer : model.layers()) {
    if (!layer->quantized()) continue;
    const torch::NoGradGuard no_grad;
    const QuantizedWeights weights = layer->quantizer->quantize(layer->weight);
    const torch::Tensor values = code_values(weights.codes, weights.value_map);
    rms[layer->spec().name] = std::sqrt(values.pow(2).mean().item<double>());
  }
  return rms;
}

std::map<std::string, double> weight_scales(const ModelImpl& model) {
  std::map<std::string, double> scales;
  for (const auto& layer : model.layers())
    if (layer->quantized())
      scales[layer->spec().name] =
          layer->quantizer->quantize(layer->weight).scales.mean().item<double>();
  return scales;
}

}  // namespace flatenn::nn
