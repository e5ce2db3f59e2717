#include <string>

#include "flatenn/base/error.h"
#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
namespace {

struct Stage {
  int64_t width;   ///< Channels; of a bottleneck's inner convolutions.
  int64_t blocks;  ///< The first of which halves the extent, but for the first stage's.
};

struct ResNetPlan {
  std::vector<Stage> stages;
  bool bottleneck = false;
  bool large_stem = false;  ///< 7x7 with stride 2, then a max pool with stride 2.
};

constexpr int64_t kExpansion = 4;  ///< Of a bottleneck's output.

/// The branch around a block: the block's input, or a 1x1 convolution of it where shapes change.
int64_t shortcut(GraphBuilder& builder, const std::string& name, int64_t src, int64_t channels,
                 int64_t stride) {
  if (stride == 1 && builder.shape(src).channels == channels) return src;
  return builder.conv(conv_bn(name + "_down", channels, square_window(1, stride)), src);
}

/// Names of older files depend on this order: the shortcut stands before the convolutions.
int64_t basic_block(GraphBuilder& builder, const std::string& name, int64_t src, int64_t width,
                    int64_t stride) {
  LayerSpec last = conv_bn(name + "_conv2", width, square_window(3, 1, 1));
  last.relu = true;
  last.skip = shortcut(builder, name, src, width, stride);
  return builder.conv(
      last, builder.conv_bn_relu(name + "_conv1", src, width, square_window(3, stride, 1)));
}

int64_t bottleneck(GraphBuilder& builder, const std::string& name, int64_t src, int64_t width,
                   int64_t stride) {
  LayerSpec last = conv_bn(name + "_conv3", kExpansion * width, square_window(1));
  last.relu = true;
  last.skip = shortcut(builder, name, src, kExpansion * width, stride);
  int64_t at = builder.conv_bn_relu(name + "_conv1", src, width, square_window(1));
  at = builder.conv_bn_relu(name + "_conv2", at, width, square_window(3, stride, 1));
  return builder.conv(last, at);
}

Graph resnet(const ModelOptions& options, const ResNetPlan& plan) {
  GraphBuilder builder(options.input);
  const int64_t width = plan.stages.front().width;
  int64_t at = builder.conv_bn_relu(
      "conv1", 0, width, plan.large_stem ? square_window(7, 2, 3) : square_window(3, 1, 1));
  if (plan.large_stem)
    at = builder.pool("pool1", net::LayerKind::kMaxPool, at, square_window(3, 2, 1));
  for (size_t stage = 0; stage < plan.stages.size(); ++stage)
    for (int64_t block = 0; block < plan.stages[stage].blocks; ++block) {
      const std::string name = "stage" + std::to_string(stage + 1) + "_" + std::to_string(block);
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      at = (plan.bottleneck ? bottleneck : basic_block)(builder, name, at, plan.stages[stage].width,
                                                        stride);
    }
  FLATENN_CHECK(builder.shape(at).height == builder.shape(at).width, options.architecture,
                ": expected square images, got ", options.input.height, "x", options.input.width);
  at = builder.global_average("pool", at);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

/// MLPerf Tiny's convolutions have a bias beside batch norm, and its shortcuts no batch norm.
int64_t biased(GraphBuilder& builder, const std::string& name, int64_t src, int64_t width,
               int64_t stride, int64_t skip) {
  LayerSpec spec = conv_bn(name, width, square_window(3, stride, 1));
  spec.bias = true;
  spec.relu = true;
  spec.skip = skip;
  return builder.conv(spec, src);
}

}  // namespace

Graph resnet20(const ModelOptions& options) {
  return resnet(options, {.stages = {{16, 3}, {32, 3}, {64, 3}}});
}

Graph resnet18(const ModelOptions& options) {
  const int64_t w = options.width;
  FLATENN_CHECK(w >= 1, "resnet18: width must be positive, got ", w);
  return resnet(options, {.stages = {{w, 2}, {2 * w, 2}, {4 * w, 2}, {8 * w, 2}}});
}

Graph resnet34(const ModelOptions& options) {
  return resnet(options, {.stages = {{64, 3}, {128, 4}, {256, 6}, {512, 3}},
                          .large_stem = !is_small(options.input)});
}

Graph resnet50(const ModelOptions& options) {
  return resnet(options, {.stages = {{64, 3}, {128, 4}, {256, 6}, {512, 3}},
                          .bottleneck = true,
                          .large_stem = !is_small(options.input)});
}

Graph resnet8(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  int64_t at = biased(builder, "conv1", 0, 16, 1, -1);
  for (const int64_t width : {16, 32, 64}) {
    const std::string name = "stage" + std::to_string(width / 32 + 1);
    const int64_t stride = width == 16 ? 1 : 2;
    int64_t skip = at;
    if (stride == 2)
      skip = builder.conv(
          {.name = name + "_down", .out_channels = width, .window = square_window(1, stride)}, at);
    at = biased(builder, name + "_conv1", at, width, stride, -1);
    at = biased(builder, name + "_conv2", at, width, 1, skip);
  }
  at = builder.global_average("pool", at);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
