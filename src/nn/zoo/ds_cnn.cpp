#include <algorithm>
#include <string>

#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
namespace {

constexpr int64_t kChannels = 64;

/// Padding of an extent so that ceil(extent / stride) outputs come out, the odd element behind.
void pad_same(int64_t extent, int64_t kernel, int64_t stride, int64_t& before, int64_t& after) {
  const int64_t outputs = (extent + stride - 1) / stride;
  const int64_t pads = std::max<int64_t>((outputs - 1) * stride + kernel - extent, 0);
  before = pads / 2;
  after = pads - before;
}

int64_t biased(GraphBuilder& builder, const std::string& name, int64_t src,
               const net::Window& window, int64_t groups) {
  LayerSpec spec = conv_bn(name, kChannels, window);
  spec.groups = groups;
  spec.bias = true;
  spec.relu = true;
  return builder.conv(spec, src);
}

}  // namespace

Graph ds_cnn(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  net::Window first;  // 10 steps of time by 4 coefficients
  first.kernel_height = 10;
  first.kernel_width = 4;
  first.set_stride(2);
  pad_same(options.input.height, 10, 2, first.top, first.bottom);
  pad_same(options.input.width, 4, 2, first.left, first.right);
  int64_t at = biased(builder, "conv1", 0, first, 1);
  for (int64_t block = 1; block <= 4; ++block) {
    const std::string name = "block" + std::to_string(block);
    at = biased(builder, name + "_depthwise", at, square_window(3, 1, 1), kChannels);
    at = biased(builder, name + "_pointwise", at, square_window(1), 1);
  }
  at = builder.global_average("pool", at);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

}  // namespace flatenn::nn
