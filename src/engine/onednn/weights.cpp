#include "engine/onednn/weights.h"

#include <algorithm>

namespace flatenn::engine::onednn {
namespace {

int8_t* bytes_of(const std::unique_ptr<AlignedBytes>& packed) {
  return reinterpret_cast<int8_t*>(packed->data());
}

std::vector<int8_t> values_of(const net::Weights& weights) {
  std::vector<int8_t> values;
  values.reserve(weights.codes.size());
  for (const int8_t code : weights.codes) {
    values.push_back(static_cast<int8_t>(weights.value(code)));
  }
  return values;
}

/// Writes a weight, and its difference into the sum of its filter.
void write(int8_t* at, int8_t* sum, int8_t value) {
  if (sum != nullptr) add_to_sum(sum, -kCodeShift * (value - *at));
  *at = value;
}

}  // namespace

NetworkWeights::NetworkWeights(const net::Network& network, std::vector<const Packing*> packings)
    : network_(&network), layers_(packings.size()) {
  for (size_t i = 0; i < packings.size(); ++i) {
    if (packings[i] == nullptr) continue;
    LayerWeights& layer = layers_[i];
    layer.packing = packings[i];
    layer.packed = std::make_unique<AlignedBytes>(layer.packing->bytes(), uint8_t{0});
    layer.packing->pack(values_of(network.layers[i].weights).data(), bytes_of(layer.packed));
    layer.bias.assign(network.layers[i].bias.begin(), network.layers[i].bias.end());
  }
}

NetworkWeights::NetworkWeights(const NetworkWeights& other) : network_(other.network_) {
  for (const LayerWeights& layer : other.layers_) layers_.push_back(copy(layer));
}

NetworkWeights::LayerWeights NetworkWeights::copy(const LayerWeights& other) {
  LayerWeights result{.packing = other.packing, .packed = nullptr, .bias = other.bias};
  if (other.packing == nullptr) return result;
  const int64_t size = other.packing->bytes();
  result.packed = std::make_unique<AlignedBytes>(size, uint8_t{0});
  std::copy_n(other.packed->data(), size, result.packed->data());
  return result;
}

const int8_t* NetworkWeights::packed(int64_t layer) const {
  return bytes_of(layers_[static_cast<size_t>(layer)].packed);
}

const BiasWord* NetworkWeights::bias(int64_t layer) const {
  return layers_[static_cast<size_t>(layer)].bias.data();
}

int64_t NetworkWeights::bytes() const {
  int64_t sum = 0;
  for (const LayerWeights& layer : layers_) {
    if (layer.packing != nullptr) sum += layer.packing->bytes();
  }
  return sum;
}

void NetworkWeights::change(const WeightChange& change) {
  LayerWeights& layer = layers_[static_cast<size_t>(change.layer)];
  const net::Weights& w = network_->layers[static_cast<size_t>(change.layer)].weights;
  const Packing& packing = *layer.packing;
  int8_t* const bytes = bytes_of(layer.packed);
  int8_t* const at = bytes + packing.byte(change.element);
  int8_t* const sum = packing.compensated() ? bytes + packing.sum_byte(change.element) : nullptr;
  old_weights_.push_back({at, *at, sum});
  write(at, sum, static_cast<int8_t>(w.value(change.code)));
}

void NetworkWeights::apply(const Job& job) {
  for (const WeightChange& one : job.weights) change(one);
  for (const BiasChange& one : job.biases) {
    BiasWord& bias = layers_[static_cast<size_t>(one.layer)].bias[static_cast<size_t>(one.channel)];
    old_biases_.push_back({&bias, bias});
    bias = static_cast<BiasWord>(one.value);
  }
}

void NetworkWeights::undo() {
  for (auto one = old_weights_.rbegin(); one != old_weights_.rend(); ++one) {
    write(one->at, one->sum, one->value);
  }
  for (auto one = old_biases_.rbegin(); one != old_biases_.rend(); ++one) *one->at = one->value;
  old_weights_.clear();
  old_biases_.clear();
}

}  // namespace flatenn::engine::onednn
