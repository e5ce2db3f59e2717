#include "flatenn/fault/memory_layout.h"

#include "flatenn/base/config.h"
#include "flatenn/base/error.h"

namespace flatenn::fault {

std::array<int64_t, 4> MemoryTensor::index(int64_t element) const {
  return {element / (shape[3] * shape[2] * shape[1]), element / (shape[3] * shape[2]) % shape[1],
          element / shape[3] % shape[2], element % shape[3]};
}

std::string MemoryTensor::index_text(int64_t element) const {
  const auto at = index(element);
  if (is_bias) return detail::concat("[", at[0], "]");
  return detail::concat("[", at[0], ",", at[1], ",", at[2], ",", at[3], "]");
}

int64_t MemoryLayout::weight_bits() const {
  int64_t bits = 0;
  for (const MemoryTensor& tensor : tensors)
    bits += tensor.is_bias ? 0 : tensor.elements * tensor.bits;
  return bits;
}

int32_t MemoryLayout::find(const std::string& name) const {
  std::vector<std::string> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == name) return static_cast<int32_t>(i);
    names.push_back(tensors[i].name);
  }
  const auto nearest = nearest_name(name, names);
  throw Error(detail::concat("no stored tensor '", name, "' in this network",
                             nearest ? "; did you mean '" + *nearest + "'?" : ""));
}

MemoryLayout memory_layout(const net::Network& network, Encoding encoding) {
  MemoryLayout layout;
  for (const net::WeightTensor& weights : net::weight_memory(network)) {
    const net::Weights& w = network.layers[static_cast<size_t>(weights.layer)].weights;
    layout.tensors.push_back({
        .name = weights.name,
        .layer = static_cast<int32_t>(weights.layer),
        .ordinal = layout.weight_tensors++,
        .shape = {w.out_channels, w.in_channels, w.kernel_height, w.kernel_width},
        .elements = weights.elements,
        .code_bits = weights.bits,
        .bits = word_bits(weights.bits, encoding),
    });
  }
  for (int32_t i = 0; i < layout.weight_tensors; ++i) {
    const int32_t index = layout.tensors[static_cast<size_t>(i)].layer;
    const net::Layer& layer = network.layers[static_cast<size_t>(index)];
    const auto channels = static_cast<int64_t>(layer.bias.size());
    if (channels == 0) continue;
    layout.tensors.push_back({.name = layer.name + ".bias",
                              .layer = index,
                              .is_bias = true,
                              .ordinal = i,
                              .shape = {channels, 1, 1, 1},
                              .elements = channels,
                              .code_bits = kBiasBits,
                              .bits = kBiasBits});
  }
  return layout;
}

}  // namespace flatenn::fault
