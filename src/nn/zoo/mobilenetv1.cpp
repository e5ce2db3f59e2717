#include <string>

#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
namespace {

struct Block {
  int64_t channels;
  int64_t stride;
};

/// MLPerf Tiny's convolutions have a bias beside batch norm.
int64_t biased(GraphBuilder& builder, const std::string& name, int64_t src, int64_t channels,
               const net::Window& window, int64_t groups) {
  LayerSpec spec = conv_bn(name, channels, window);
  spec.groups = groups;
  spec.bias = true;
  spec.relu = true;
  return builder.conv(spec, src);
}

}  // namespace

Graph mobilenetv1_025(const ModelOptions& options) {
  constexpr Block kBlocks[] = {{16, 1},  {32, 2},  {32, 1},  {64, 2},  {64, 1},  {128, 2}, {128, 1},
                               {128, 1}, {128, 1}, {128, 1}, {128, 1}, {256, 2}, {256, 1}};
  GraphBuilder builder(options.input);
  int64_t at = biased(builder, "conv1", 0, 8, square_window(3, 2, 1), 1);
  int64_t index = 1;
  for (const Block& block : kBlocks) {
    const std::string name = "block" + std::to_string(index++);
    const int64_t channels = builder.shape(at).channels;
    at = biased(builder, name + "_depthwise", at, channels, square_window(3, block.stride, 1),
                channels);
    at = biased(builder, name + "_pointwise", at, block.channels, square_window(1), 1);
  }
  at = builder.global_average("pool", at);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
