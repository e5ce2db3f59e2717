#include "nn/zoo.h"

#include <string>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

/// Adds layers one by one; each call returns the index of the activation it writes.
class GraphBuilder {
 public:
  explicit GraphBuilder(const net::Shape& image) { graph_.shapes.push_back(image); }

  int64_t conv(const LayerSpec& wanted, int64_t src) {
    LayerSpec spec = wanted;
    spec.kind = net::LayerKind::kConv;
    spec.in_channels = shape(src).channels;
    return add(spec, src, window_shape(spec, src, spec.out_channels));
  }

  int64_t linear(const std::string& name, int64_t src, int64_t out, bool relu) {
    LayerSpec spec{
        .name = name, .kind = net::LayerKind::kLinear, .out_channels = out, .relu = relu};
    spec.in_channels = shape(src).elements();
    return add(spec, src, {out, 1, 1});
  }

  int64_t pool(const std::string& name, net::LayerKind kind, int64_t src, int64_t kernel) {
    const LayerSpec spec{
        .name = name, .kind = kind, .kernel = kernel, .stride = kernel, .bias = false};
    return add(spec, src, window_shape(spec, src, shape(src).channels));
  }

  const net::Shape& shape(int64_t activation) const {
    return graph_.shapes[static_cast<size_t>(activation)];
  }
  Graph take() { return std::move(graph_); }

 private:
  int64_t add(LayerSpec spec, int64_t src, const net::Shape& out) {
    spec.src = src;
    spec.dst = static_cast<int64_t>(graph_.shapes.size());
    graph_.layers.push_back(spec);
    graph_.shapes.push_back(out);
    return spec.dst;
  }

  net::Shape window_shape(const LayerSpec& spec, int64_t src, int64_t channels) const {
    const net::Shape& in = shape(src);
    const auto size = [&](int64_t length) {
      FLATENN_CHECK(length + 2 * spec.pad >= spec.kernel, "layer ", spec.name, ": an input of ",
                    in.height, "x", in.width, " is too small for its window of ", spec.kernel, "x",
                    spec.kernel);
      return (length + 2 * spec.pad - spec.kernel) / spec.stride + 1;
    };
    return {channels, size(in.height), size(in.width)};
  }

  Graph graph_;
};

Graph mlp(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  int64_t at = 0;
  int64_t index = 1;
  for (const int64_t width : options.hidden) {
    FLATENN_CHECK(width >= 1, "mlp: hidden widths must be positive, got ", width);
    at = builder.linear("fc" + std::to_string(index++), at, width, true);
  }
  builder.linear("fc" + std::to_string(index), at, options.classes, false);
  return builder.take();
}

/// LeCun et al., "Gradient-based learning applied to document recognition" (1998), with ReLU, max
/// pooling and full connections between the convolutions.
Graph lenet5(const ModelOptions& options) {
  GraphBuilder builder(options.input);
  int64_t at =
      builder.conv({.name = "conv1", .out_channels = 6, .kernel = 5, .pad = 2, .relu = true}, 0);
  at = builder.pool("pool1", net::LayerKind::kMaxPool, at, 2);
  at = builder.conv({.name = "conv2", .out_channels = 16, .kernel = 5, .relu = true}, at);
  at = builder.pool("pool2", net::LayerKind::kMaxPool, at, 2);
  at = builder.linear("fc1", at, 120, true);
  at = builder.linear("fc2", at, 84, true);
  builder.linear("fc3", at, options.classes, false);
  return builder.take();
}

struct ResNetPlan {
  std::vector<int64_t> widths;  ///< Channels of each stage.
  int64_t blocks;               ///< Basic blocks a stage.
};

int64_t basic_block(GraphBuilder& builder, const std::string& name, int64_t src, int64_t width,
                    int64_t stride) {
  LayerSpec first{.name = name + "_conv1",
                  .out_channels = width,
                  .kernel = 3,
                  .stride = stride,
                  .pad = 1,
                  .relu = true,
                  .bias = false,
                  .batch_norm = true};
  LayerSpec second = first;
  second.name = name + "_conv2";
  second.stride = 1;
  second.skip = src;
  if (stride != 1 || builder.shape(src).channels != width) {
    const LayerSpec down{.name = name + "_down",
                         .out_channels = width,
                         .stride = stride,
                         .bias = false,
                         .batch_norm = true};
    second.skip = builder.conv(down, src);
  }
  return builder.conv(second, builder.conv(first, src));
}

/// He et al., "Deep Residual Learning", arXiv:1512.03385, CIFAR form: 3x3 stem without pooling, and
/// 1x1 projections where a block changes shape.
Graph resnet(const ModelOptions& options, const ResNetPlan& plan) {
  GraphBuilder builder(options.input);
  int64_t at = builder.conv({.name = "conv1",
                             .out_channels = plan.widths[0],
                             .kernel = 3,
                             .pad = 1,
                             .relu = true,
                             .bias = false,
                             .batch_norm = true},
                            0);
  for (size_t stage = 0; stage < plan.widths.size(); ++stage)
    for (int64_t block = 0; block < plan.blocks; ++block) {
      const std::string name = "stage" + std::to_string(stage + 1) + "_" + std::to_string(block);
      at = basic_block(builder, name, at, plan.widths[stage], stage > 0 && block == 0 ? 2 : 1);
    }
  FLATENN_CHECK(builder.shape(at).height == builder.shape(at).width, options.architecture,
                ": expected square images, got ", options.input.height, "x", options.input.width);
  at = builder.pool("pool", net::LayerKind::kAvgPool, at, builder.shape(at).height);
  builder.linear("fc", at, options.classes, false);
  return builder.take();
}

}  // namespace

std::vector<std::string> architecture_names() { return {"mlp", "lenet5", "resnet20", "resnet18"}; }

Graph build_graph(const ModelOptions& options) {
  FLATENN_CHECK(options.classes >= 2, "model: expected at least 2 classes, got ", options.classes);
  FLATENN_CHECK(options.input.elements() >= 1, "model: the image has no pixels");
  const int64_t w = options.width;
  if (options.architecture == "mlp") return mlp(options);
  if (options.architecture == "lenet5") return lenet5(options);
  if (options.architecture == "resnet20") return resnet(options, {{16, 32, 64}, 3});
  if (options.architecture == "resnet18") {
    FLATENN_CHECK(w >= 1, "resnet18: width must be positive, got ", w);
    return resnet(options, {{w, 2 * w, 4 * w, 8 * w}, 2});
  }
  throw Error("model: unknown architecture \"" + options.architecture +
              "\"; expected mlp, lenet5, resnet20 or resnet18");
}

}  // namespace flatenn::nn
