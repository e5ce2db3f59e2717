#include <string>

#include "nn/graph_builder.h"
#include "nn/zoo/zoo.h"

namespace flatenn::nn {
namespace {

constexpr int64_t kHidden = 4096;

/// Channels of each convolution, stage by stage; a 2x2 max pool ends a stage.
Graph vgg(const ModelOptions& options, const std::vector<std::vector<int64_t>>& stages) {
  GraphBuilder builder(options.input);
  int64_t at = 0;
  int64_t index = 1;
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    for (const int64_t channels : stages[stage]) {
      LayerSpec spec = conv_bn("conv" + std::to_string(index++), channels, square_window(3, 1, 1));
      spec.bias = true;
      spec.relu = true;
      at = builder.conv(spec, at);
    }
    at = builder.pool("pool" + std::to_string(stage + 1), net::LayerKind::kMaxPool, at,
                      square_window(2, 2));
  }
  index = 1;
  if (builder.shape(at).height * builder.shape(at).width > 1) {
    at = builder.linear("fc1", at, kHidden, true);
    at = builder.linear("fc2", at, kHidden, true);
    index = 3;
  }
  builder.linear("fc" + std::to_string(index), at, options.classes, false);
  return builder.take();
}

}  // namespace

Graph vgg11_bn(const ModelOptions& options) {
  return vgg(options, {{64}, {128}, {256, 256}, {512, 512}, {512, 512}});
}

Graph vgg16_bn(const ModelOptions& options) {
  return vgg(options, {{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}});
}

}  // namespace flatenn::nn
