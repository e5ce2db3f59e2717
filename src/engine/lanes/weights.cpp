#include "engine/lanes/weights.h"

namespace flatenn::engine::lanes {
namespace {

bool reads_signed(const net::Network& network, const net::Layer& layer) {
  return network.activations[static_cast<size_t>(layer.src)].is_signed;
}

LayerWeights pack(const net::Network& network, const net::Layer& layer, const LayerPlan& plan) {
  LayerWeights result;
  const net::Weights& w = layer.weights;
  result.packed.resize(static_cast<size_t>(plan.packed_size));
  auto* bytes = reinterpret_cast<int8_t*>(result.packed.data());
  result.init.resize(static_cast<size_t>(w.out_channels));
  for (int64_t element = 0; element < w.elements(); ++element) {
    const int value = w.value(w.codes[static_cast<size_t>(element)]);
    for_packed_bytes(plan, plan.window, element,
                     [&](int64_t byte) { bytes[byte] = static_cast<int8_t>(value); });
    if (reads_signed(network, layer)) {
      result.init[static_cast<size_t>(element / w.fan_in())] -= 128 * value;
    }
  }
  result.bias.assign(layer.bias.begin(), layer.bias.end());
  return result;
}

}  // namespace

NetworkWeights::NetworkWeights(const net::Network& network, std::vector<const LayerPlan*> plans)
    : network_(&network), plans_(std::move(plans)), layers_(plans_.size()) {
  for (size_t i = 0; i < plans_.size(); ++i) {
    if (plans_[i] != nullptr) layers_[i] = pack(network, network.layers[i], *plans_[i]);
  }
}

int64_t NetworkWeights::bytes() const {
  size_t words = 0;
  for (const LayerWeights& layer : layers_) words += layer.packed.size();
  return static_cast<int64_t>(words * sizeof(int32_t));
}

void NetworkWeights::change(const WeightChange& change) {
  const auto index = static_cast<size_t>(change.layer);
  const net::Layer& layer = network_->layers[index];
  const net::Weights& w = layer.weights;
  const int value = w.value(change.code);
  auto* bytes = reinterpret_cast<int8_t*>(layers_[index].packed.data());
  int8_t before = 0;
  for_packed_bytes(*plans_[index], plans_[index]->window, change.element, [&](int64_t byte) {
    before = bytes[byte];
    old_values_.push_back({bytes + byte, before});
    bytes[byte] = static_cast<int8_t>(value);
  });
  if (reads_signed(*network_, layer)) {
    int32_t& init = layers_[index].init[static_cast<size_t>(change.element / w.fan_in())];
    old_inits_.push_back({&init, init});
    init -= 128 * (value - before);
  }
}

void NetworkWeights::apply(const Job& job) {
  for (const WeightChange& one : job.weights) change(one);
  for (const BiasChange& one : job.biases) {
    float& bias = layers_[static_cast<size_t>(one.layer)].bias[static_cast<size_t>(one.channel)];
    old_biases_.push_back({&bias, bias});
    bias = static_cast<float>(one.value);
  }
}

void NetworkWeights::undo() {
  const auto restore = [](auto& list) {
    for (auto one = list.rbegin(); one != list.rend(); ++one) *one->at = one->value;
    list.clear();
  };
  restore(old_values_);
  restore(old_inits_);
  restore(old_biases_);
}

}  // namespace flatenn::engine::lanes
