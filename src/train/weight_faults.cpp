#include "train/weight_faults.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "flatenn/base/error.h"
#include "nn/index.h"

namespace flatenn::train {
namespace {

using fault::FaultKind;

using nn::index;

void check_sources(const fault::FaultModel& faults) {
  for (const fault::FaultSource& source : faults.sources) {
    FLATENN_CHECK(
        source.target == fault::FaultTarget::kWeights && source.unit != fault::FaultUnit::kLevel,
        "faults in training: expected faults of weight bits");
  }
  FLATENN_CHECK(faults.protection.none(), "faults in training: a protected memory is not trained");
}

/// A word holds a code with its zero point; training computes without.
void check_words(const nn::ModelImpl& model) {
  if (!model.options().network) return;
  for (const net::Layer& layer : model.options().network->layers) {
    const std::vector<int>& zeros = layer.weights.zero_points;
    FLATENN_CHECK(std::all_of(zeros.begin(), zeros.end(), [](int zero) { return zero == 0; }),
                  "faults in training: the weights of layer ", layer.name,
                  " have zero points, expected weights around 0");
  }
}

/// The word of each code, lowest first. A code without a word is stored as the next one.
torch::Tensor word_table(int bits, fault::Encoding encoding) {
  const int half = 1 << (bits - 1);
  std::vector<int16_t> words;
  for (int code = -half; code < half; ++code) {
    const int stored = code == -half && !fault::has_lowest(encoding) ? code + 1 : code;
    words.push_back(
        static_cast<int16_t>(fault::encode(static_cast<int8_t>(stored), bits, encoding)));
  }
  return torch::tensor(words, torch::kInt16);
}

torch::Tensor value_table(int bits, net::ValueMap map, fault::Encoding encoding) {
  const net::Weights weights{.bits = bits, .value_map = map};
  std::vector<float> values;
  for (int word = 0; word < 1 << fault::word_bits(bits, encoding); ++word) {
    const int8_t code = fault::decode(static_cast<uint16_t>(word), bits, encoding);
    values.push_back(static_cast<float>(weights.value(code)));
  }
  return torch::tensor(values, torch::kFloat32);
}

/// Faulty words of one layer and kind, in the order of their places.
struct Words {
  std::vector<int64_t> places;
  std::vector<int16_t> masks;

  /// Sites come in the order of a map.
  void add(const fault::FaultSite& site) {
    if (places.empty() || places.back() != site.element) {
      places.push_back(site.element);
      masks.push_back(0);
    }
    masks.back() = static_cast<int16_t>(masks.back() | (1 << site.bit));
  }
};

/// A copy; in pinned memory a device fetches it without the host.
template <typename T>
torch::Tensor on_host(const std::vector<T>& values, torch::ScalarType type, bool pinned) {
  torch::Tensor copy = torch::empty({std::ssize(values)}, torch::dtype(type).pinned_memory(pinned));
  std::copy(values.begin(), values.end(), copy.data_ptr<T>());
  return copy;
}

}  // namespace

std::shared_ptr<const net::Network> empty_memory(const nn::ModelImpl& model) {
  auto network = std::make_shared<net::Network>();
  for (const auto& source : model.layers()) {
    FLATENN_CHECK(source->quantized(), "faults in training: layer ", source->spec().name,
                  " is not quantized");
    const nn::LayerSpec& spec = source->spec();
    net::Layer layer;
    layer.name = spec.name;
    layer.kind = spec.kind;
    layer.weights.out_channels = spec.out_channels;
    layer.weights.in_channels = spec.in_channels / spec.groups;
    layer.weights.kernel_height = spec.window.kernel_height;
    layer.weights.kernel_width = spec.window.kernel_width;
    layer.weights.bits = static_cast<int>(source->quantizer->options().bits);
    layer.weights.value_map = source->quantizer->grid().value_map;
    layer.weights.codes.assign(index(source->weight.numel()), 0);
    network->layers.push_back(std::move(layer));
  }
  return network;
}

WeightFaults::WeightFaults(nn::Model model, const fault::FaultModel& faults)
    : model_(std::move(model)), injector_(empty_memory(*model_), faults) {
  check_sources(faults);
  check_words(*model_);
  for (const auto& layer : model_->layers()) {
    const int bits = static_cast<int>(layer->quantizer->options().bits);
    const torch::Device device = layer->weight.device();
    layers_.push_back(
        {.words = word_table(bits, faults.encoding).to(device),
         .values =
             value_table(bits, layer->quantizer->grid().value_map, faults.encoding).to(device),
         .masks = {}});
  }
  for (const fault::FaultSource& source : faults.sources) {
    if (source.unit == fault::FaultUnit::kList) continue;  // the same in every map
    for (size_t kind = 0; kind < WordMasks::kKinds; ++kind) {
      if (source.kinds.of(static_cast<FaultKind>(kind)) > 0)
        for (size_t i = 0; i < layers_.size(); ++i) masks(i, kind);
    }
  }
}

torch::Tensor& WeightFaults::masks(size_t layer, size_t kind) {
  torch::Tensor& masks = layers_[layer].masks.at(kind);
  if (!masks.defined()) {
    const torch::Tensor& weight = model_->layers()[layer]->weight;
    masks =
        torch::zeros({weight.numel()}, weight.options().dtype(torch::kInt16).requires_grad(false));
  }
  return masks;
}

WordMasks WeightFaults::draw(double rate, uint64_t seed, uint64_t trial) const {
  const fault::FaultMap map = injector_.draw(rate, seed, trial);
  std::vector<std::array<Words, WordMasks::kKinds>> words(layers_.size());
  for (const fault::Fault& fault : map.faults)
    words[index(fault.site.tensor)].at(static_cast<size_t>(fault.kind)).add(fault.site);
  const bool pinned = layers_.front().words.is_cuda();
  WordMasks result{
      .layers = std::vector<std::array<WordMasks::Plane, WordMasks::kKinds>>(layers_.size()),
      .faults = std::ssize(map.faults)};
  for (size_t i = 0; i < layers_.size(); ++i)
    for (size_t kind = 0; kind < WordMasks::kKinds; ++kind)
      if (const Words& faulty = words[i].at(kind); !faulty.places.empty())
        result.layers[i].at(kind) = {on_host(faulty.places, torch::kInt64, pinned),
                                     on_host(faulty.masks, torch::kInt16, pinned)};
  return result;
}

void WeightFaults::set(const WordMasks& map) {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (size_t kind = 0; kind < WordMasks::kKinds; ++kind) {
      const WordMasks::Plane& faulty = map.layers[i].at(kind);
      if (!faulty.words.defined() && !layers_[i].masks.at(kind).defined()) continue;
      torch::Tensor& masks = this->masks(i, kind);
      masks.zero_();
      if (!faulty.words.defined()) continue;
      masks.index_put_({faulty.words.to(masks.device(), /*non_blocking=*/true)},
                       faulty.masks.to(masks.device(), /*non_blocking=*/true));
    }
  }
}

/// Flips, then defects, as fault::WordMask has them.
torch::Tensor WeightFaults::faulty(const Layer& layer, const torch::Tensor& words) const {
  const auto masks = [&](FaultKind kind) -> const torch::Tensor& {
    return layer.masks.at(static_cast<size_t>(kind));
  };
  torch::Tensor read = words.clone();
  if (masks(FaultKind::kBitFlip).defined()) read.bitwise_xor_(masks(FaultKind::kBitFlip));
  if (masks(FaultKind::kFlip0To1).defined()) read.bitwise_or_(masks(FaultKind::kFlip0To1));
  if (masks(FaultKind::kFlip1To0).defined())
    read.bitwise_and_(masks(FaultKind::kFlip1To0).bitwise_not());
  if (masks(FaultKind::kStuckAt1).defined()) read.bitwise_or_(masks(FaultKind::kStuckAt1));
  if (masks(FaultKind::kStuckAt0).defined())
    read.bitwise_and_(masks(FaultKind::kStuckAt0).bitwise_not());
  return read;
}

void WeightFaults::apply() {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    nn::QuantLayerImpl& target = *model_->layers()[i];
    const torch::Tensor codes = target.quantizer->quantize(target.weight).codes.contiguous();
    const int64_t half = int64_t{1} << (target.quantizer->options().bits - 1);
    const torch::Tensor words =
        layer.words.index_select(0, (codes.view({-1}) + half).to(torch::kInt32));
    const torch::Tensor read = faulty(layer, words);
    const auto values = [&](const torch::Tensor& of) {
      return layer.values.index_select(0, of.to(torch::kInt32));
    };
    target.value_change = (values(read) - values(words)).view(codes.sizes());
  }
}

void WeightFaults::clear(nn::ModelImpl& model) {
  for (const auto& layer : model.layers()) layer->value_change = torch::Tensor();
}

}  // namespace flatenn::train
