#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace flatenn::nn {

/// Makes the graph of an architecture, layer by layer; each call returns the index of the
/// activation that it writes. Activation 0 is the image.
class GraphBuilder {
 public:
  explicit GraphBuilder(const net::Shape& image) { graph_.shapes.push_back(image); }

  /// A convolution that `wanted` describes but for its input.
  int64_t conv(const LayerSpec& wanted, int64_t src);
  /// A convolution with batch norm and ReLU, without bias.
  int64_t conv_bn_relu(const std::string& name, int64_t src, int64_t channels,
                       const net::Window& window);
  /// The same, one filter a channel.
  int64_t depthwise_bn_relu(const std::string& name, int64_t src, const net::Window& window);
  int64_t linear(const std::string& name, int64_t src, int64_t out, bool relu);
  int64_t pool(const std::string& name, net::LayerKind kind, int64_t src,
               const net::Window& window);
  /// The average of each channel.
  int64_t global_average(const std::string& name, int64_t src);
  int64_t concat(const std::string& name, const std::vector<int64_t>& inputs);

  const net::Shape& shape(int64_t activation) const {
    return graph_.shapes[static_cast<size_t>(activation)];
  }
  Graph take() { return std::move(graph_); }

 private:
  int64_t add(LayerSpec spec, int64_t src, const net::Shape& out);

  Graph graph_;
};

/// Convolution with batch norm, without bias or ReLU.
LayerSpec conv_bn(const std::string& name, int64_t channels, const net::Window& window);

/// Whether images are as small as CIFAR's, for which networks drop their first strides.
bool is_small(const net::Shape& image);

}  // namespace flatenn::nn
