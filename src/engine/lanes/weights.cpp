#include "engine/lanes/weights.h"

namespace flatenn::engine::lanes {
namespace {

bool reads_signed(const net::Network& network, const net::Layer& layer) {
  return network.activations[static_cast<size_t>(layer.src)].is_signed;
}

/// Room for a step's weights, all 0.
LayerWeights make_room(const Step& step, const net::Layer& layer) {
  LayerWeights result;
  auto channels = static_cast<size_t>(layer.weights.out_channels);
  if (const auto* plan = std::get_if<LayerPlan>(&step)) {
    result.packed.resize(static_cast<size_t>(plan->packed_size));
  } else if (const auto* winograd = std::get_if<WinogradPlan>(&step)) {
    result.packed.resize(static_cast<size_t>(winograd->packed_size()));
    channels *= kWinogradPlaces;
  } else if (const auto* tiled = std::get_if<TiledPlan>(&step)) {
    result.packed.resize(static_cast<size_t>(tiled->packed_bytes()) / sizeof(int32_t));
  }
  result.init.resize(channels);
  result.bias.assign(layer.bias.begin(), layer.bias.end());
  return result;
}

}  // namespace

NetworkWeights::NetworkWeights(const net::Network& network, const std::vector<Step>& steps)
    : network_(&network), steps_(&steps), layers_(steps.size()) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const net::Layer& layer = network.layers[i];
    if (!layer.multiplies()) continue;
    layers_[i] = make_room(steps[i], layer);
    const net::Weights& w = layer.weights;
    for (int64_t element = 0; element < w.elements(); ++element) {
      add(i, element, w.value(w.codes[static_cast<size_t>(element)]));
    }
  }
}

int64_t NetworkWeights::bytes() const {
  size_t words = 0;
  for (const LayerWeights& layer : layers_) words += layer.packed.size();
  return static_cast<int64_t>(words * sizeof(int32_t));
}

void NetworkWeights::add(size_t index, int64_t element, int delta) {
  const net::Layer& layer = network_->layers[index];
  LayerWeights& weights = layers_[index];
  auto* bytes = reinterpret_cast<int8_t*>(weights.packed.data());
  const auto add_at = [](auto& value, int amount) {
    value = static_cast<std::remove_reference_t<decltype(value)>>(value + amount);
  };
  const int64_t channel = element / layer.weights.fan_in();
  if (const auto* winograd = std::get_if<WinogradPlan>(&(*steps_)[index])) {
    for_winograd_bytes(*winograd, element, [&](int64_t byte, int64_t place, int coefficient) {
      add_at(bytes[byte], coefficient * delta);
      add_at(weights.init[static_cast<size_t>(place * layer.weights.out_channels + channel)],
             -kWinogradOffset * coefficient * delta);
    });
    return;
  }
  if (const auto* tiled = std::get_if<TiledPlan>(&(*steps_)[index])) {
    add_at(bytes[tiled_byte(*tiled, element)], delta);
    return;
  }
  const auto& plan = std::get<LayerPlan>((*steps_)[index]);
  for_packed_bytes(plan, plan.window, element, [&](int64_t byte) { add_at(bytes[byte], delta); });
  if (reads_signed(*network_, layer)) {
    add_at(weights.init[static_cast<size_t>(channel)], -128 * delta);
  }
}

/// A job changes an element at most once, so what the element held is the network's own value.
void NetworkWeights::change(const WeightChange& change) {
  const auto index = static_cast<size_t>(change.layer);
  const net::Weights& w = network_->layers[index].weights;
  const int before = w.value(w.codes[static_cast<size_t>(change.element)]);
  const Added added{.layer = static_cast<int32_t>(change.layer),
                    .delta = w.value(change.code) - before,
                    .element = change.element};
  add(index, added.element, added.delta);
  added_.push_back(added);
}

void NetworkWeights::apply(const Job& job) {
  for (const WeightChange& one : job.weights) change(one);
  for (const BiasChange& one : job.biases) {
    float& bias = layers_[static_cast<size_t>(one.layer)].bias[static_cast<size_t>(one.channel)];
    old_biases_.push_back({&bias, bias});
    bias = static_cast<float>(one.value);
  }
}

/// Sums of whole numbers come back to the last bit, also where they have wrapped. Keeping each byte
/// that changed would take twenty times the memory: by Winograd's filtering a weight sits in
/// sixteen.
void NetworkWeights::undo() {
  for (const Added& one : added_) add(static_cast<size_t>(one.layer), one.element, -one.delta);
  for (auto one = old_biases_.rbegin(); one != old_biases_.rend(); ++one) *one->at = one->value;
  added_.clear();
  old_biases_.clear();
}

}  // namespace flatenn::engine::lanes
