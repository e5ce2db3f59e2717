#include "nn/zoo/zoo.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <set>

#include "flatenn/base/error.h"

/// The networks against what their sources publish.
namespace flatenn::nn {
namespace {

struct Published {
  const char* architecture;
  net::Shape input;
  int64_t classes;
  int64_t parameters;  ///< Exact.
  double macs;         ///< Of convolutions and linear layers, as precise as published.
  double macs_within;
  int64_t normalization;  ///< Numbers a channel that the source counts for batch norm: 2, or 4 with
                          ///< its running statistics (Keras).
};

/// torchvision: the tables of https://pytorch.org/vision/stable/models.html (parameters, GFLOPS of
/// multiply-accumulates). MLPerf Tiny: Keras' count of the reference models in
/// https://github.com/mlcommons/tiny (benchmark/training), MACs of Banbury et al.,
/// arXiv:2106.07597. CIFAR's: parameters of https://github.com/kuangliu/pytorch-cifar's VGG16 and
/// of https://github.com/osmr/imgclsmob (DenseNet-BC-40 k=12; its MACs by hand, see below).
const Published kPublished[] = {
    {"resnet34", {3, 224, 224}, 1000, 21'797'672, 3.66e9, 0.01e9, 2},
    {"resnet50", {3, 224, 224}, 1000, 25'557'032, 4.09e9, 0.01e9, 2},
    {"vgg11-bn", {3, 224, 224}, 1000, 132'868'840, 7.61e9, 0.01e9, 2},
    {"vgg16-bn", {3, 224, 224}, 1000, 138'365'992, 15.47e9, 0.01e9, 2},
    {"mobilenetv2", {3, 224, 224}, 1000, 3'504'872, 0.30e9, 0.005e9, 2},
    {"resnet8", {3, 32, 32}, 10, 78'666, 12.5e6, 0.05e6, 4},
    {"mobilenetv1-0.25", {3, 96, 96}, 2, 221'794, 7.49e6, 0.05e6, 4},
    {"ds-cnn", {1, 49, 10}, 12, 24'908, 2.66e6, 0.05e6, 4},
    {"vgg16-bn", {3, 32, 32}, 10, 14'728'266, 0.31e9, 0.005e9, 2},
    {"densenet-bc-40-12", {3, 32, 32}, 10, 176'122, 72'365'352, 0.5, 2},
};

/// A layer that stands for batch norm alone has one weight a channel, which sources do not count.
bool stands_for_batch_norm(const LayerSpec& spec) { return spec.name.ends_with("_norm"); }

int64_t parameters_of(const LayerSpec& spec, int64_t normalization) {
  if (!spec.multiplies()) return 0;
  const net::Window& w = spec.window;
  const int64_t fan_in = spec.in_channels / spec.groups * w.kernel_height * w.kernel_width;
  int64_t count = stands_for_batch_norm(spec) ? 0 : spec.out_channels * fan_in;
  if (spec.bias) count += spec.out_channels;
  if (spec.batch_norm) count += normalization * spec.out_channels;
  return count;
}

TEST(Zoo, HasThePublishedParametersAndMacs) {
  for (const Published& one : kPublished) {
    const Graph graph =
        build_graph({.architecture = one.architecture, .input = one.input, .classes = one.classes});
    int64_t parameters = 0;
    double macs = 0;
    for (const LayerSpec& spec : graph.layers) {
      parameters += parameters_of(spec, one.normalization);
      if (!stands_for_batch_norm(spec))
        macs += static_cast<double>(
            multiply_accumulates(spec, graph.shapes[static_cast<size_t>(spec.dst)]));
    }
    EXPECT_EQ(parameters, one.parameters) << one.architecture << " at " << one.input.height;
    EXPECT_NEAR(macs, one.macs, one.macs_within) << one.architecture << " at " << one.input.height;
  }
}

/// imgclsmob's 74.89 M are half of its operations: two a multiply-accumulate, four an element of
/// batch norm, one an element of the ReLU after it.
TEST(Zoo, DenseNetHasThePublishedOperations) {
  const Graph graph =
      build_graph({.architecture = "densenet-bc-40-12", .input = {3, 32, 32}, .classes = 10});
  double macs = 0, normalized = 0;
  for (const LayerSpec& spec : graph.layers) {
    const net::Shape& out = graph.shapes[static_cast<size_t>(spec.dst)];
    if (!stands_for_batch_norm(spec)) macs += static_cast<double>(multiply_accumulates(spec, out));
    if (spec.batch_norm) normalized += static_cast<double>(out.channels * out.height * out.width);
  }
  EXPECT_EQ(normalized, 1'010'688);
  EXPECT_NEAR((2 * macs + (4 + 1) * normalized) / 2, 74.89e6, 0.005e6);
}

/// Extents before the last average, as the sources' tables of layers have them.
TEST(Zoo, HasThePublishedShapes) {
  const auto last_map = [](const char* architecture, const net::Shape& input) {
    const Graph graph = build_graph({.architecture = architecture, .input = input, .classes = 10});
    net::Shape last = input;
    for (const net::Shape& shape : graph.shapes)
      if (shape.height > 1) last = shape;
    EXPECT_EQ(graph.shapes.back(), (net::Shape{10, 1, 1}));
    return last;
  };
  EXPECT_EQ(last_map("resnet34", {3, 224, 224}), (net::Shape{512, 7, 7}));
  EXPECT_EQ(last_map("resnet50", {3, 224, 224}), (net::Shape{2048, 7, 7}));
  EXPECT_EQ(last_map("resnet50", {3, 32, 32}), (net::Shape{2048, 4, 4}));
  EXPECT_EQ(last_map("vgg16-bn", {3, 224, 224}), (net::Shape{512, 7, 7}));
  EXPECT_EQ(last_map("vgg16-bn", {3, 32, 32}), (net::Shape{512, 2, 2}));
  EXPECT_EQ(last_map("mobilenetv2", {3, 224, 224}), (net::Shape{1280, 7, 7}));
  EXPECT_EQ(last_map("mobilenetv2", {3, 32, 32}), (net::Shape{1280, 4, 4}));
  EXPECT_EQ(last_map("mobilenetv1-0.25", {3, 96, 96}), (net::Shape{256, 3, 3}));
  EXPECT_EQ(last_map("ds-cnn", {1, 49, 10}), (net::Shape{64, 25, 5}));
  EXPECT_EQ(last_map("resnet8", {3, 32, 32}), (net::Shape{64, 8, 8}));
  EXPECT_EQ(last_map("densenet-bc-40-12", {3, 32, 32}), (net::Shape{132, 8, 8}));
}

TEST(Zoo, NamesOfLayersAreTheirOwn) {
  for (const std::string& name : architecture_names()) {
    const Graph graph = build_graph({.architecture = name, .input = {3, 32, 32}});
    std::set<std::string> names;
    for (const LayerSpec& spec : graph.layers)
      EXPECT_TRUE(names.insert(spec.name).second) << name << " " << spec.name;
  }
}

/// Any number of classes and channels, and images that are not square where the network allows it.
TEST(Zoo, TakesImagesOfOtherSizes) {
  EXPECT_NO_THROW(build_graph({.architecture = "ds-cnn", .input = {3, 40, 24}, .classes = 3}));
  EXPECT_NO_THROW(build_graph({.architecture = "mobilenetv2", .input = {1, 28, 36}}));
  EXPECT_NO_THROW(build_graph({.architecture = "vgg11-bn", .input = {3, 64, 96}}));
  EXPECT_THROW(build_graph({.architecture = "vgg11-bn", .input = {3, 16, 16}}), Error);
  EXPECT_THROW(build_graph({.architecture = "alexnet"}), Error);
}

/// What a new architecture must do: a quantized step with gradients everywhere, and codes.
TEST(Zoo, SmallNetworksTrainQuantized) {
  torch::manual_seed(3);
  for (const std::string name :
       {"resnet8", "mobilenetv1-0.25", "mobilenetv2", "ds-cnn", "densenet-bc-40-12"}) {
    Model model(ModelOptions{.architecture = name, .input = {3, 32, 32}});
    const torch::Tensor images = torch::randn({4, 3, 32, 32}).clamp(-1, 1);
    model->calibrate(images);
    model->train();
    model->forward(images).pow(2).sum().backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << name << " " << item.key();
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << name << " " << item.key();
    }
    model->eval();
    EXPECT_TRUE(model->forward(images).isfinite().all().item<bool>()) << name;
  }
}

}  // namespace
}  // namespace flatenn::nn
