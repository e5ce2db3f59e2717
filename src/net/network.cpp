#include "flatenn/net/network.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::net {

const char* kind_name(LayerKind kind) {
  static constexpr const char* kNames[] = {"conv", "linear", "max-pool", "avg-pool", "add",
                                           "mul",  "concat", "table",    "move"};
  return kNames[static_cast<size_t>(kind)];
}

namespace {

const Activation& activation_at(const Network& network, int64_t index) {
  return network.activations[static_cast<size_t>(index)];
}

/// Of codes; 1 of float values.
double real_scale(const Activation& a) { return a.is_float ? 1.0 : static_cast<double>(a.scale); }

bool is_plain_activation(const Activation& a) { return a.zero_point == 0; }

bool is_plain_layer(const Layer& layer) {
  return (layer.multiplies() || layer.pools()) && layer.window.is_uniform() &&
         layer.others.empty() && layer.twin < 0 && layer.low == INT32_MIN &&
         layer.high == INT32_MAX && !layer.in_fixed_point() && !layer.count_padding &&
         layer.weights.zero_points.empty() && !(layer.weights.bits == 1 && layer.multiplies()) &&
         !(layer.kind == LayerKind::kAvgPool && (layer.relu || layer.pad() != 0));
}

}  // namespace

std::vector<int64_t> Layer::inputs() const {
  std::vector<int64_t> result{src};
  if (skip >= 0) result.push_back(skip);
  result.insert(result.end(), others.begin(), others.end());
  return result;
}

bool Network::is_plain() const {
  return image == ImageTransform{} && input().is_signed && has_plain_layers();
}

bool Network::has_plain_layers() const {
  return logits().is_float && layers.back().multiplies() &&
         std::all_of(activations.begin(), activations.end(), is_plain_activation) &&
         std::all_of(layers.begin(), layers.end(), is_plain_layer) &&
         std::all_of(layers.begin(), layers.end(), [this](const Layer& layer) {
           return !layer.pools() || (activation_at(*this, layer.src).is_signed ==
                                     activation_at(*this, layer.dst).is_signed);
         });
}

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

float pool_multiplier(const Network& network, const Layer& layer, int64_t count) {
  const Window& w = layer.window;
  const auto area = static_cast<double>(count > 0 ? count : w.kernel_height * w.kernel_width);
  return static_cast<float>(static_cast<double>(activation_at(network, layer.src).scale) /
                            (area * real_scale(activation_at(network, layer.dst))));
}

int64_t macs(const Network& network, const Layer& layer) {
  if (!layer.multiplies()) return 0;
  return activation_at(network, layer.dst).shape.elements() * layer.weights.fan_in();
}

std::vector<WeightTensor> weight_memory(const Network& network) {
  std::vector<WeightTensor> tensors;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    if (!layer.multiplies() || layer.twin >= 0) continue;
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
