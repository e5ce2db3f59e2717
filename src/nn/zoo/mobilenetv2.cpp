#include <string>

#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
namespace {

/// Table 2 of the paper.
struct InvertedStage {
  int64_t expansion;
  int64_t channels;
  int64_t blocks;
  int64_t stride;  ///< Of the first block.
};

int64_t inverted_residual(GraphBuilder& builder, const std::string& name, int64_t src,
                          const InvertedStage& stage, int64_t stride) {
  const int64_t in = builder.shape(src).channels;
  int64_t at = src;
  if (stage.expansion > 1)
    at = builder.conv_bn_relu(name + "_expand", at, stage.expansion * in, square_window(1));
  at = builder.depthwise_bn_relu(name + "_depthwise", at, square_window(3, stride, 1));
  LayerSpec project = conv_bn(name + "_project", stage.channels, square_window(1));
  if (stride == 1 && in == stage.channels) project.skip = src;
  return builder.conv(project, at);
}

}  // namespace

Graph mobilenetv2(const ModelOptions& options) {
  const bool small = is_small(options.input);
  const InvertedStage stages[] = {{1, 16, 1, 1}, {6, 24, 2, small ? 1 : 2},
                                  {6, 32, 3, 2}, {6, 64, 4, 2},
                                  {6, 96, 3, 1}, {6, 160, 3, 2},
                                  {6, 320, 1, 1}};
  GraphBuilder builder(options.input);
  int64_t at = builder.conv_bn_relu("conv1", 0, 32, square_window(3, small ? 1 : 2, 1));
  int64_t index = 1;
  for (const InvertedStage& stage : stages)
    for (int64_t block = 0; block < stage.blocks; ++block)
      at = inverted_residual(builder, "block" + std::to_string(index++), at, stage,
                             block == 0 ? stage.stride : 1);
  at = builder.conv_bn_relu("conv2", at, 1280, square_window(1));
  at = builder.global_average("pool", at);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
