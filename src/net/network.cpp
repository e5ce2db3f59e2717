#include "flatenn/net/network.h"

#include "flatenn/base/error.h"

namespace flatenn::net {
namespace {

const Activation& activation_at(const Network& network, int64_t index) {
  return network.activations[static_cast<size_t>(index)];
}

}  // namespace

const Activation& Network::logits() const {
  FLATENN_CHECK(!layers.empty(), "network ", name, ": has no layers");
  return activation_at(*this, layers.back().dst);
}

std::vector<float> multipliers(const Network& network, const Layer& layer) {
  const Activation& src = activation_at(network, layer.src);
  const Activation& dst = activation_at(network, layer.dst);
  const double dst_scale = dst.is_float ? 1.0 : static_cast<double>(dst.scale);
  std::vector<float> result;
  result.reserve(static_cast<size_t>(layer.weights.out_channels));
  for (int64_t channel = 0; channel < layer.weights.out_channels; ++channel) {
    result.push_back(static_cast<float>(static_cast<double>(src.scale) *
                                        static_cast<double>(layer.weights.scale(channel)) /
                                        dst_scale));
  }
  return result;
}

float skip_multiplier(const Network& network, const Layer& layer) {
  if (layer.skip < 0) return 0;
  const Activation& dst = activation_at(network, layer.dst);
  const double dst_scale = dst.is_float ? 1.0 : static_cast<double>(dst.scale);
  return static_cast<float>(static_cast<double>(activation_at(network, layer.skip).scale) /
                            dst_scale);
}

float pool_multiplier(const Network& network, const Layer& layer) {
  const double area = static_cast<double>(layer.kernel * layer.kernel);
  return static_cast<float>(static_cast<double>(activation_at(network, layer.src).scale) /
                            (area * static_cast<double>(activation_at(network, layer.dst).scale)));
}

int64_t macs(const Network& network, const Layer& layer) {
  if (!layer.multiplies()) return 0;
  return activation_at(network, layer.dst).shape.elements() * layer.weights.fan_in();
}

std::vector<WeightTensor> weight_memory(const Network& network) {
  std::vector<WeightTensor> tensors;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    if (!layer.multiplies()) continue;
    tensors.push_back({.layer = static_cast<int64_t>(i),
                       .name = layer.name,
                       .elements = layer.weights.elements(),
                       .bits = layer.weights.bits});
  }
  return tensors;
}

int64_t weight_bits(const Network& network) {
  int64_t bits = 0;
  for (const WeightTensor& tensor : weight_memory(network)) bits += tensor.elements * tensor.bits;
  return bits;
}

}  // namespace flatenn::net
