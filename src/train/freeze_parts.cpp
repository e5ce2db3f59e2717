#include "train/freeze_parts.h"

#include <cmath>

#include "flatenn/base/error.h"
#include "train/code_range.h"

namespace flatenn::train {
namespace {

void name_channels(const torch::Tensor& marked, const std::string& layer, const std::string& what,
                   std::vector<std::string>& warnings) {
  const auto flags = to_vector<uint8_t, uint8_t>(marked.to(torch::kUInt8));
  for (size_t c = 0; c < flags.size(); ++c)
    if (flags[c] != 0)
      warnings.push_back("layer " + layer + ", channel " + std::to_string(c) + ": " + what);
}

double rms_of_values(const net::Weights& weights) {
  double sum = 0;
  for (size_t i = 0; i < weights.codes.size(); ++i) {
    const double value =
        weights.value(weights.codes[i], static_cast<int64_t>(i) / weights.fan_in());
    sum += value * value;
  }
  return std::sqrt(sum / static_cast<double>(weights.codes.size()));
}

}  // namespace

void check_finite(const torch::Tensor& tensor, const std::string& what) {
  FLATENN_CHECK(tensor.isfinite().all().item<bool>(), "freeze: ", what,
                " holds values that are not finite; training has diverged");
}

void check_finite(const nn::QuantLayerImpl& layer) {
  const std::string& name = layer.spec().name;
  for (const auto& item : layer.named_parameters())
    check_finite(item.value(), "parameter " + name + "." + item.key());
  for (const auto& item : layer.named_buffers())
    check_finite(item.value(), "buffer " + name + "." + item.key());
}

void warn_of_clamping(const nn::FoldedLayer& folded, const std::string& layer,
                      std::vector<std::string>& warnings) {
  name_channels(folded.bias_clamped, layer, "the bias left its range and was clamped", warnings);
  name_channels(folded.factor_raised, layer,
                "batch norm's |gamma / sigma| was below 1e-12 and was raised to it", warnings);
}

void encode(FreezeResult& result, fault::Encoding encoding) {
  net::Network& network = result.network;
  network.metadata["encoding"] = fault::to_string(encoding);
  result.saturated_codes = fault::saturate(network, encoding);
  for (const net::Layer& layer : network.layers) {
    if (!layer.multiplies()) continue;
    const double rms = rms_of_values(layer.weights);
    result.code_rms[layer.name] = rms;
    if (layer.weights.bits == 1) continue;  // all values have one size
    const std::string warning =
        judge_code_rms(layer.name, layer.weights.bits, layer.weights.value_map, rms);
    if (!warning.empty()) result.warnings.push_back(warning);
  }
  network.validate();
}

}  // namespace flatenn::train
