#include <string>

#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
namespace {

constexpr int64_t kGrowth = 12;
constexpr int64_t kBottleneck = 4 * kGrowth;
constexpr int64_t kUnits = 6;  ///< Of two convolutions, in each of three blocks: (40 - 4) / 6.

LayerSpec plain_conv(const std::string& name, int64_t channels, const net::Window& window) {
  return {.name = name, .out_channels = channels, .window = window, .bias = false};
}

/// Batch norm and ReLU of what was joined.
int64_t normalize(GraphBuilder& builder, const std::string& name, int64_t src) {
  return builder.depthwise_bn_relu(name + "_norm", src, square_window(1));
}

/// Adds kGrowth channels to those of `src`.
int64_t grow(GraphBuilder& builder, const std::string& name, int64_t src) {
  int64_t at = normalize(builder, name, src);
  at = builder.conv_bn_relu(name + "_conv1", at, kBottleneck, square_window(1));
  at = builder.conv(plain_conv(name + "_conv2", kGrowth, square_window(3, 1, 1)), at);
  return builder.concat(name + "_join", {src, at});
}

/// Half the channels and half the extent.
int64_t transition(GraphBuilder& builder, const std::string& name, int64_t src) {
  int64_t at = normalize(builder, name, src);
  at = builder.conv(plain_conv(name + "_conv", builder.shape(src).channels / 2, square_window(1)),
                    at);
  return builder.pool(name + "_pool", net::LayerKind::kAvgPool, at, square_window(2, 2));
}

}  // namespace

Graph densenet_bc_40_12(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  int64_t at = builder.conv(plain_conv("conv1", 2 * kGrowth, square_window(3, 1, 1)), 0);
  for (int64_t block = 1; block <= 3; ++block) {
    for (int64_t unit = 1; unit <= kUnits; ++unit)
      at = grow(builder, "block" + std::to_string(block) + "_" + std::to_string(unit), at);
    if (block < 3) at = transition(builder, "transition" + std::to_string(block), at);
  }
  at = normalize(builder, "last", at);
  at = builder.global_average("pool", at);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
