#include "engine/general/weights.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/general/winograd.h"

namespace flatenn::engine::general {

template <class Store>
GeneralWeights<Store>::GeneralWeights(const net::Network& network, const Layout& layout)
    : network_(&network), layout_(&layout), layers_(network.layers.size()) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const net::Layer& layer = network.layers[i];
    if (!layer.multiplies()) continue;
    const Product& product = layout.products[i];
    layers_[i].words.assign(static_cast<size_t>(product.words()), 0);
    if (product.tiles) layers_[i].values.assign(layer.weights.codes.size(), 0);
    layers_[i].start.assign(product.multipliers.size(), 0);
    layers_[i].bias.assign(product.multipliers.size(), 0);
    layers_[i].whole_bias.assign(product.multipliers.size(), 0);
    const auto index = static_cast<int64_t>(i);
    for (int64_t e = 0; e < layer.weights.elements(); ++e) {
      set_value(index, e, value(index, e, layer.weights.codes[static_cast<size_t>(e)]));
    }
    for (int64_t c = 0; c < layer.weights.out_channels; ++c) {
      set_bias(index, c, layer.bias[static_cast<size_t>(c)]);
    }
  }
}

template <class Store>
int64_t GeneralWeights<Store>::bytes() const {
  size_t sum = 0;
  for (const LayerWeights& layer : layers_) {
    sum += layer.words.size() * sizeof(Weight) + layer.values.size() * sizeof(int16_t);
    sum += layer.bias.size() * (sizeof(float) + sizeof(int32_t));
  }
  return static_cast<int64_t>(sum);
}

template <class Store>
int16_t GeneralWeights<Store>::exchange(const Product& product, int64_t place, int value,
                                        LayerWeights& weights) {
  using Limits = std::numeric_limits<Weight>;
  int old = 0;
  for (int64_t part = 0; part < product.parts; ++part, place += product.part_words()) {
    const int some = std::clamp<int>(value, Limits::min(), Limits::max());
    old += std::exchange(weights.words[static_cast<size_t>(place)], static_cast<Weight>(some));
    value -= some;
  }
  return static_cast<int16_t>(old);
}

template <class Store>
int16_t GeneralWeights<Store>::set_value(int64_t index, int64_t element, int16_t value) {
  const Product& product = layout_->products[static_cast<size_t>(index)];
  LayerWeights& weights = layers_[static_cast<size_t>(index)];
  if (product.tiles) {
    const int16_t old = std::exchange(weights.values[static_cast<size_t>(element)], value);
    if constexpr (!Store::kOffset) add_to_places(product, element, value - old, weights.words);
    return old;
  }
  const net::Layer& layer = network_->layers[static_cast<size_t>(index)];
  const int64_t place = product.word(layer.weights, layout_->planes[static_cast<size_t>(layer.src)],
                                     layer.kind == net::LayerKind::kLinear, element);
  const int16_t old = exchange(product, place, value, weights);
  // As the kernels' sums, modulo 2^32.
  int32_t& start =
      weights.start[static_cast<size_t>(product.lane(element / layer.weights.fan_in()))];
  start = static_cast<int32_t>(static_cast<uint32_t>(start) +
                               static_cast<uint32_t>(product.src_least * (value - old)));
  return old;
}

template <class Store>
int32_t GeneralWeights<Store>::set_bias(int64_t index, int64_t channel, int32_t value) {
  const auto lane =
      static_cast<size_t>(layout_->products[static_cast<size_t>(index)].lane(channel));
  LayerWeights& layer = layers_[static_cast<size_t>(index)];
  layer.bias[lane] = static_cast<float>(value);
  return std::exchange(layer.whole_bias[lane], value);
}

template <class Store>
int16_t GeneralWeights<Store>::value(int64_t index, int64_t element, int8_t code) const {
  const net::Weights& weights = network_->layers[static_cast<size_t>(index)].weights;
  return static_cast<int16_t>(weights.value(code, element / weights.fan_in()));
}

template <class Store>
void GeneralWeights<Store>::apply(const Job& job) {
  for (const WeightChange& change : job.weights) {
    for (const int64_t user : layout_->users[static_cast<size_t>(change.layer)]) {
      const int16_t old = set_value(user, change.element, value(user, change.element, change.code));
      old_values_.push_back({user, change.element, old});
    }
  }
  for (const BiasChange& change : job.biases) {
    for (const int64_t user : layout_->users[static_cast<size_t>(change.layer)]) {
      old_biases_.push_back({user, change.channel, set_bias(user, change.channel, change.value)});
    }
  }
}

template <class Store>
void GeneralWeights<Store>::undo() {
  for (auto old = old_values_.rbegin(); old != old_values_.rend(); ++old) {
    set_value(old->layer, old->element, old->value);
  }
  for (auto old = old_biases_.rbegin(); old != old_biases_.rend(); ++old) {
    set_bias(old->layer, old->channel, old->value);
  }
  old_values_.clear();
  old_biases_.clear();
}

template class GeneralWeights<Words>;
template class GeneralWeights<Bytes>;

}  // namespace flatenn::engine::general
