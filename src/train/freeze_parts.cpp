#include "train/freeze_parts.h"

#include <cmath>

#include "flatenn/base/error.h"

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

/// The range in which a layer's codes use their word, DESIGN's "sane".
void judge_rms(const net::Layer& layer, double rms, std::vector<std::string>& warnings) {
  if (layer.weights.bits == 1) return;  // all values have one size
  const int high = layer.weights.value(static_cast<int8_t>((1 << (layer.weights.bits - 1)) - 1));
  const int low = layer.weights.value(static_cast<int8_t>(-(1 << (layer.weights.bits - 1))));
  const double half_range = (high - low) / 2.0;
  const char* problem = nullptr;
  if (rms < 1) problem = "under 1: one flip of a high bit outweighs the whole layer";
  if (rms > half_range) problem = "over half the code range: most codes are clipped";
  if (!problem) return;
  warnings.push_back("layer " + layer.name + ": code rms " + std::to_string(rms) + " is " +
                     problem);
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
    judge_rms(layer, rms, result.warnings);
  }
  network.validate();
}

}  // namespace flatenn::train
