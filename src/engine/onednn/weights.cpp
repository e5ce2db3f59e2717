#include "engine/onednn/weights.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace flatenn::engine::onednn {
namespace {

/// Places of a layout that are looked at.
constexpr int64_t kProbes = 5000;

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

}  // namespace

Packing::Packing(const dnnl::engine& engine, const FusedLayer& layer)
    : engine_(engine),
      plain_(layer.plain_weights()),
      packed_(layer.weights_desc()),
      reorder_(dnnl::reorder::primitive_desc(engine, plain_, engine, packed_)) {
  if (layer.compensated()) return;
  layout_.emplace(packed_);
  if (!layout_holds()) layout_.reset();
}

/// Packs a pattern and looks for some of it where the layout says, so that a layout of a later
/// oneDNN that is described by more than its blocks is packed again instead.
bool Packing::layout_holds() const {
  const std::vector<int64_t> dims = layout_->dims();
  const int64_t elements =
      std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
  const auto pattern = [](int64_t element) {
    return static_cast<int8_t>(element * 89 % 251 - 125);
  };
  std::vector<int8_t> values;
  values.reserve(static_cast<size_t>(elements));
  for (int64_t i = 0; i < elements; ++i) values.push_back(pattern(i));
  const AlignedBytes packed(bytes(), 0);
  dnnl::stream stream(engine_);
  auto* at = reinterpret_cast<int8_t*>(packed.data());
  pack(stream, values.data(), at);
  const int64_t step = std::max<int64_t>(1, elements / kProbes);
  for (int64_t i = 0; i < elements; i += step) {
    const int64_t byte = layout_->byte(i);
    if (byte < 0 || byte >= bytes() || at[byte] != pattern(i)) return false;
  }
  return true;
}

void Packing::pack(dnnl::stream& stream, const int8_t* values, int8_t* packed) const {
  dnnl::memory from(plain_, engine_, const_cast<int8_t*>(values));
  dnnl::memory to(packed_, engine_, packed);
  reorder_.execute(stream, from, to);
  stream.wait();
}

NetworkWeights::NetworkWeights(const dnnl::engine& engine, const net::Network& network,
                               std::vector<const Packing*> packings)
    : network_(&network), stream_(engine), layers_(packings.size()) {
  for (size_t i = 0; i < packings.size(); ++i) {
    if (packings[i] == nullptr) continue;
    LayerWeights& layer = layers_[i];
    layer.packing = packings[i];
    layer.packed = std::make_unique<AlignedBytes>(layer.packing->bytes(), uint8_t{0});
    layer.values = values_of(network.layers[i].weights);
    layer.packing->pack(stream_, layer.values.data(), bytes_of(layer.packed));
    if (layer.packing->layout() != nullptr) layer.values = {};
    layer.bias.assign(network.layers[i].bias.begin(), network.layers[i].bias.end());
  }
}

NetworkWeights::NetworkWeights(const NetworkWeights& other)
    : network_(other.network_), stream_(other.stream_) {
  for (const LayerWeights& layer : other.layers_) layers_.push_back(copy(layer));
}

NetworkWeights::LayerWeights NetworkWeights::copy(const LayerWeights& other) {
  LayerWeights result{.packing = other.packing, .values = other.values, .bias = other.bias};
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
  int8_t* at = nullptr;
  if (const BlockedLayout* layout = layer.packing->layout()) {
    at = bytes_of(layer.packed) + layout->byte(change.element);
  } else {
    at = &layer.values[static_cast<size_t>(change.element)];
    if (!layer.stale) stale_.push_back(&layer);
    layer.stale = true;
  }
  old_values_.push_back({at, *at});
  *at = static_cast<int8_t>(w.value(change.code));
}

void NetworkWeights::pack_stale() {
  for (LayerWeights* layer : stale_) {
    layer->packing->pack(stream_, layer->values.data(), bytes_of(layer->packed));
  }
}

void NetworkWeights::apply(const Job& job) {
  for (const WeightChange& one : job.weights) change(one);
  pack_stale();
  for (const BiasChange& one : job.biases) {
    BiasWord& bias = layers_[static_cast<size_t>(one.layer)].bias[static_cast<size_t>(one.channel)];
    old_biases_.push_back({&bias, bias});
    bias = static_cast<BiasWord>(one.value);
  }
}

void NetworkWeights::undo() {
  const auto restore = [](auto& list) {
    for (auto one = list.rbegin(); one != list.rend(); ++one) *one->at = one->value;
    list.clear();
  };
  restore(old_values_);
  restore(old_biases_);
  pack_stale();
  for (LayerWeights* layer : stale_) layer->stale = false;
  stale_.clear();
}

}  // namespace flatenn::engine::onednn
