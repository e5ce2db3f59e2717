#include "nn/from_network.h"

#include <algorithm>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

LayerSpec spec_of(const net::Network& network, const net::Layer& layer) {
  LayerSpec spec{.name = layer.name,
                 .kind = layer.kind,
                 .src = layer.src,
                 .dst = layer.dst,
                 .skip = layer.skip,
                 .others = layer.others,
                 .window = layer.window,
                 .groups = layer.groups,
                 .relu = layer.relu,
                 .bias = layer.multiplies(),
                 .count_padding = layer.count_padding,
                 .low = layer.low,
                 .high = layer.high,
                 .twin = layer.twin,
                 .table = layer.table,
                 .order = layer.order,
                 .requantization = layer.requantization,
                 .factors = layer.factors};
  if (!layer.multiplies()) return spec;
  const net::Shape& src = network.activations[static_cast<size_t>(layer.src)].shape;
  spec.in_channels = layer.kind == net::LayerKind::kLinear ? src.elements() : src.channels;
  spec.out_channels = layer.weights.out_channels;
  spec.window.kernel_height = layer.weights.kernel_height;
  spec.window.kernel_width = layer.weights.kernel_width;
  return spec;
}

/// A twin's stored weights are another layer's, and so must be what they mean.
void check_twin(const net::Network& network, const net::Layer& layer) {
  if (layer.twin < 0) return;
  const net::Layer& first = network.layers[static_cast<size_t>(layer.twin)];
  FLATENN_CHECK(first.src == layer.src && first.bias == layer.bias &&
                    first.weights.scales == layer.weights.scales &&
                    first.weights.zero_points == layer.weights.zero_points &&
                    first.window == layer.window && first.groups == layer.groups,
                "layer ", layer.name, " (", net::kind_name(layer.kind),
                "): shares its stored weights with layer ", first.name,
                ", which reads or scales them otherwise: they cannot be trained as one");
}

}  // namespace

Graph graph_of(const net::Network& network) {
  network.validate();
  Graph graph;
  for (const net::Activation& activation : network.activations)
    graph.shapes.push_back(activation.shape);
  for (const net::Layer& layer : network.layers) {
    check_twin(network, layer);
    graph.layers.push_back(spec_of(network, layer));
  }
  FLATENN_CHECK(std::any_of(graph.layers.begin(), graph.layers.end(),
                            [](const LayerSpec& spec) { return spec.multiplies(); }),
                "network ", network.name, ": has no layer with weights, so nothing can be trained");
  return graph;
}

std::vector<bool> learnable_scales(const Graph& graph, const std::vector<int64_t>& owners) {
  std::vector<bool> learnable(graph.shapes.size(), true);
  const auto settle = [&](int64_t activation) {
    const int64_t owner = owners[static_cast<size_t>(activation)];
    for (size_t i = 0; i < owners.size(); ++i)
      if (owners[i] == owner) learnable[i] = false;
  };
  settle(0);
  for (const LayerSpec& spec : graph.layers) {
    if (spec.kind != net::LayerKind::kTable) continue;
    settle(spec.src);
    settle(spec.dst);
  }
  return learnable;
}

}  // namespace flatenn::nn
