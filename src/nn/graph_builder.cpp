#include "nn/graph_builder.h"

#include <algorithm>

#include "flatenn/base/error.h"
#include "nn/windows.h"

namespace flatenn::nn {
namespace {

/// Below it a network made for 224x224 images would pool features away before its last stages.
constexpr int64_t kSmallExtent = 64;

}  // namespace

int64_t GraphBuilder::conv(const LayerSpec& wanted, int64_t src) {
  LayerSpec spec = wanted;
  spec.kind = net::LayerKind::kConv;
  spec.in_channels = shape(src).channels;
  return add(spec, src, window_output(shape(src), spec));
}

int64_t GraphBuilder::conv_bn_relu(const std::string& name, int64_t src, int64_t channels,
                                   const net::Window& window) {
  LayerSpec spec = conv_bn(name, channels, window);
  spec.relu = true;
  return conv(spec, src);
}

int64_t GraphBuilder::depthwise_bn_relu(const std::string& name, int64_t src,
                                        const net::Window& window) {
  LayerSpec spec = conv_bn(name, shape(src).channels, window);
  spec.groups = spec.out_channels;
  spec.relu = true;
  return conv(spec, src);
}

int64_t GraphBuilder::linear(const std::string& name, int64_t src, int64_t out, bool relu) {
  LayerSpec spec{.name = name, .kind = net::LayerKind::kLinear, .out_channels = out, .relu = relu};
  spec.in_channels = shape(src).elements();
  return add(spec, src, {out, 1, 1});
}

int64_t GraphBuilder::pool(const std::string& name, net::LayerKind kind, int64_t src,
                           const net::Window& window) {
  const LayerSpec spec{.name = name, .kind = kind, .window = window, .bias = false};
  return add(spec, src, window_output(shape(src), spec));
}

int64_t GraphBuilder::global_average(const std::string& name, int64_t src) {
  net::Window window;
  window.kernel_height = window.stride_height = shape(src).height;
  window.kernel_width = window.stride_width = shape(src).width;
  return pool(name, net::LayerKind::kAvgPool, src, window);
}

int64_t GraphBuilder::concat(const std::string& name, const std::vector<int64_t>& inputs) {
  LayerSpec spec{.name = name, .kind = net::LayerKind::kConcat, .bias = false};
  spec.others.assign(inputs.begin() + 1, inputs.end());
  net::Shape out = shape(inputs.front());
  for (const int64_t other : spec.others) {
    FLATENN_ASSERT(shape(other).height == out.height && shape(other).width == out.width, "concat ",
                   name, " of maps of different extents");
    out.channels += shape(other).channels;
  }
  return add(spec, inputs.front(), out);
}

int64_t GraphBuilder::add(LayerSpec spec, int64_t src, const net::Shape& out) {
  spec.src = src;
  spec.dst = static_cast<int64_t>(graph_.shapes.size());
  graph_.layers.push_back(std::move(spec));
  graph_.shapes.push_back(out);
  return graph_.layers.back().dst;
}

LayerSpec conv_bn(const std::string& name, int64_t channels, const net::Window& window) {
  return {
      .name = name, .out_channels = channels, .window = window, .bias = false, .batch_norm = true};
}

bool is_small(const net::Shape& image) {
  return std::min(image.height, image.width) < kSmallExtent;
}

}  // namespace flatenn::nn
