#include "flatenn/interop/weight_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::interop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A ResNet of two stages of one block each, the second with a projection; layers in the order in
/// which they compute.
std::vector<NamedLayer> resnet() {
  const auto conv = [](const std::string& name, int64_t out, int64_t in, int64_t kernel) {
    return NamedLayer{
        .name = name, .weight_shape = {out, in, kernel, kernel}, .batch_norm = true, .reads = {}};
  };
  return {conv("conv1", 2, 3, 3),
          conv("stage1_0_conv1", 2, 2, 3),
          conv("stage1_0_conv2", 2, 2, 3),
          conv("stage2_0_down", 4, 2, 1),
          conv("stage2_0_conv1", 4, 2, 3),
          conv("stage2_0_conv2", 4, 4, 3),
          {.name = "fc", .weight_shape = {5, 4}, .bias = true, .reads = {4, 1, 1}}};
}

/// LeNet-like: a convolution, then linear layers on a flattened 2 x 2 x 3 plane.
std::vector<NamedLayer> lenet() {
  return {{.name = "conv1", .weight_shape = {2, 1, 3, 3}, .bias = true, .reads = {1, 4, 5}},
          {.name = "fc1", .weight_shape = {3, 12}, .bias = true, .reads = {2, 2, 3}},
          {.name = "fc2", .weight_shape = {2, 3}, .bias = true, .reads = {3, 1, 1}}};
}

int64_t product(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

/// A tensor whose values count up.
StoredTensor counting(const std::string& name, const std::vector<int64_t>& shape) {
  std::vector<float> values;
  for (int64_t i = 0; i < product(shape); ++i) values.push_back(static_cast<float>(i));
  return stored_floats(name, shape, values);
}

void add_norm(TensorFile& file, const std::string& name, int64_t channels,
              const std::vector<std::string>& leaves) {
  for (const std::string& leaf : leaves) file.tensors.push_back(counting(name + leaf, {channels}));
}

/// As torch.save(torchvision.models.ResNet(...).state_dict()) names them.
TensorFile torchvision(const std::string& prefix, const std::string& down,
                       const std::string& head) {
  TensorFile file;
  const std::vector<std::string> norm = {".weight", ".bias", ".running_mean", ".running_var"};
  const auto pair = [&](const std::string& conv, const std::string& bn,
                        const std::vector<int64_t>& shape) {
    file.tensors.push_back(counting(prefix + conv + ".weight", shape));
    add_norm(file, prefix + bn, shape[0], norm);
    file.tensors.push_back(stored_integers(prefix + bn + ".num_batches_tracked", {}, {9}));
  };
  pair("conv1", "bn1", {2, 3, 3, 3});
  pair("layer1.0.conv1", "layer1.0.bn1", {2, 2, 3, 3});
  pair("layer1.0.conv2", "layer1.0.bn2", {2, 2, 3, 3});
  pair("layer2.0.conv1", "layer2.0.bn1", {4, 2, 3, 3});
  pair("layer2.0.conv2", "layer2.0.bn2", {4, 4, 3, 3});
  pair("layer2.0." + down + ".0", "layer2.0." + down + ".1", {4, 2, 1, 1});
  file.tensors.push_back(counting(prefix + head + ".weight", {5, 4}));
  file.tensors.push_back(counting(prefix + head + ".bias", {5}));
  return file;
}

std::string source_of(const WeightNames& names, const std::string& ours) {
  for (const WeightSource& source : names.sources) {
    if (source.ours == ours) return source.theirs;
  }
  return "none";
}

TEST(WeightNames, KnowTorchvisionAndItsRelatives) {
  for (const std::string prefix : {"", "module.", "model._orig_mod."}) {
    for (const std::string down : {"downsample", "shortcut"}) {
      for (const std::string head : {"fc", "linear", "head.fc"}) {
        const WeightNames names = match_weight_names(resnet(), torchvision(prefix, down, head));
        EXPECT_EQ(names.style, "torchvision");
        EXPECT_THAT(names.missing, IsEmpty());
        EXPECT_THAT(names.left_over, IsEmpty());
        EXPECT_EQ(source_of(names, "stage2_0_conv2.weight"), prefix + "layer2.0.conv2.weight");
        EXPECT_EQ(source_of(names, "stage2_0_conv2.gamma"), prefix + "layer2.0.bn2.weight");
        EXPECT_EQ(source_of(names, "conv1.beta"), prefix + "bn1.bias");
        EXPECT_EQ(source_of(names, "stage2_0_down.running_var"),
                  prefix + "layer2.0." + down + ".1.running_var");
        EXPECT_EQ(source_of(names, "fc.bias"), prefix + head + ".bias");
      }
    }
  }
}

TEST(WeightNames, NameWhatIsMissingAndWhatIsLeft) {
  TensorFile file = torchvision("", "downsample", "fc");
  std::erase_if(file.tensors, [](const StoredTensor& t) {
    return t.name.starts_with("layer2.0.downsample") || t.name == "fc.bias";
  });
  file.tensors.push_back(counting("layer3.0.conv1.weight", {4, 4, 3, 3}));
  const WeightNames names = match_weight_names(resnet(), file);
  EXPECT_THAT(names.missing,
              ElementsAre("stage2_0_down.weight", "stage2_0_down.gamma", "stage2_0_down.beta",
                          "stage2_0_down.running_mean", "stage2_0_down.running_var", "fc.bias"));
  EXPECT_THAT(names.left_over, ElementsAre("layer3.0.conv1.weight"));
}

TEST(WeightNames, KnowTheirOwn) {
  TensorFile file;
  for (const NamedLayer& layer : resnet()) {
    file.tensors.push_back(counting(layer.name + ".weight", layer.weight_shape));
    if (layer.bias) file.tensors.push_back(counting(layer.name + ".bias", {5}));
    if (layer.batch_norm) {
      add_norm(file, layer.name, layer.weight_shape[0],
               {".gamma", ".beta", ".running_mean", ".running_var"});
    }
  }
  const WeightNames names = match_weight_names(resnet(), file);
  EXPECT_EQ(names.style, "flatenn");
  EXPECT_THAT(names.missing, IsEmpty());
  EXPECT_THAT(names.left_over, IsEmpty());
  for (const WeightSource& source : names.sources) EXPECT_EQ(source.ours, source.theirs);
}

/// Names of keras.applications' ResNets.
TEST(WeightNames, KnowKerasResNets) {
  TensorFile file;
  const auto pair = [&](const std::string& name, const std::vector<int64_t>& shape) {
    file.tensors.push_back(counting(name + "_conv/kernel:0", shape));
    file.tensors.push_back(counting(name + "_conv/bias:0", {shape[3]}));
    add_norm(file, name + "_bn", shape[3],
             {"/gamma:0", "/beta:0", "/moving_mean:0", "/moving_variance:0"});
  };
  pair("conv1", {3, 3, 3, 2});
  pair("conv2_block1_1", {3, 3, 2, 2});
  pair("conv2_block1_2", {3, 3, 2, 2});
  pair("conv3_block1_0", {1, 1, 2, 4});
  pair("conv3_block1_1", {3, 3, 2, 4});
  pair("conv3_block1_2", {3, 3, 4, 4});
  file.tensors.push_back(counting("predictions/kernel:0", {4, 5}));
  file.tensors.push_back(counting("predictions/bias:0", {5}));
  const WeightNames names = match_weight_names(resnet(), file);
  EXPECT_EQ(names.style, "keras");
  EXPECT_THAT(names.missing, IsEmpty());
  EXPECT_THAT(names.left_over, IsEmpty());
  EXPECT_EQ(source_of(names, "stage2_0_down.weight"), "conv3_block1_0_conv/kernel:0");
  const auto weights = take_weights(resnet(), file, names);
  EXPECT_EQ(to_text(names.sources[3]),
            "conv1.running_mean <- conv1_bn/moving_mean:0 - "
            "conv1_conv/bias:0 (channels last)");
  // A bias in front of batch norm is taken from the mean: (i) - (i) here.
  EXPECT_THAT(weights.at("stage1_0_conv1.running_mean").values, ElementsAre(0, 0));
  EXPECT_THAT(weights.at("stage1_0_conv1.running_var").values, ElementsAre(0, 1));
}

/// Keras counts layers as they are made: a block's projection comes behind its convolutions.
TEST(WeightNames, FollowNumbersWhereNoNameIsKnown) {
  TensorFile file;
  const std::vector<std::vector<int64_t>> shapes = {{3, 3, 3, 2}, {3, 3, 2, 2}, {3, 3, 2, 2},
                                                    {3, 3, 2, 4}, {3, 3, 4, 4}, {1, 1, 2, 4}};
  for (size_t i = 0; i < shapes.size(); ++i) {
    const std::string number = "_" + std::to_string(i + 8);  // _8, _9, _10: not in order of text
    file.tensors.push_back(counting("conv2d" + number + "/kernel", shapes[i]));
    add_norm(file, "batch_normalization" + number, shapes[i][3],
             {"/gamma", "/beta", "/moving_mean", "/moving_variance"});
  }
  file.tensors.push_back(counting("dense/kernel", {4, 5}));
  file.tensors.push_back(counting("dense/bias", {5}));
  const WeightNames names = match_weight_names(resnet(), file);
  EXPECT_EQ(names.style, "by order");
  EXPECT_THAT(names.missing, IsEmpty());
  EXPECT_THAT(names.left_over, IsEmpty());
  EXPECT_EQ(source_of(names, "stage2_0_down.weight"), "conv2d_13/kernel");
  EXPECT_EQ(source_of(names, "stage2_0_conv1.gamma"), "batch_normalization_11/gamma");
  EXPECT_NO_THROW(take_weights(resnet(), file, names));
}

TEST(WeightNames, FollowTheNumbersOfSequential) {
  TensorFile file;
  file.tensors = {counting("10.weight", {2, 3}),      counting("10.bias", {2}),
                  counting("4.weight", {3, 12}),      counting("4.bias", {3}),
                  counting("0.weight", {2, 1, 3, 3}), counting("0.bias", {2})};
  const WeightNames names = match_weight_names(lenet(), file);
  EXPECT_EQ(names.style, "by order");
  EXPECT_EQ(source_of(names, "fc1.weight"), "4.weight");
  EXPECT_EQ(source_of(names, "fc2.bias"), "10.bias");
  EXPECT_THAT(names.left_over, IsEmpty());
}

/// By hand: Keras holds weight (o, i, y, x) at [y][x][i][o] and, behind Flatten of a plane of
/// height 2, width 3 and 2 channels, the input (c, y, x) in row (y * 3 + x) * 2 + c.
TEST(TakeWeights, TurnsKerasLayoutsAround) {
  TensorFile file;
  file.tensors = {counting("conv2d/kernel", {3, 3, 1, 2}), counting("conv2d/bias", {2}),
                  counting("dense/kernel", {12, 3}),       counting("dense/bias", {3}),
                  counting("dense_1/kernel", {3, 2}),      counting("dense_1/bias", {2})};
  const WeightNames names = match_weight_names(lenet(), file);
  const auto weights = take_weights(lenet(), file, names);
  const FloatTensor& conv = weights.at("conv1.weight");
  EXPECT_THAT(conv.shape, ElementsAre(2, 1, 3, 3));
  EXPECT_EQ(conv.values[0], 0);           // o 0, y 0, x 0
  EXPECT_EQ(conv.values[9], 1);           // o 1, y 0, x 0
  EXPECT_EQ(conv.values[9 + 3 + 2], 11);  // o 1, y 1, x 2: ((1 * 3 + 2) * 1 + 0) * 2 + 1
  const FloatTensor& fc = weights.at("fc1.weight");
  EXPECT_THAT(fc.shape, ElementsAre(3, 12));
  EXPECT_EQ(fc.values[0], 0);
  EXPECT_EQ(fc.values[6], 3);            // o 0, c 1, y 0, x 0: row 1
  EXPECT_EQ(fc.values[2 * 12 + 5], 32);  // o 2, c 0, y 1, x 2: row 10
  EXPECT_THAT(weights.at("fc2.weight").values, ElementsAre(0, 2, 4, 1, 3, 5));
}

TEST(TakeWeights, NamesBothTensorsWhereShapesDiffer) {
  TensorFile file = torchvision("", "downsample", "fc");
  for (StoredTensor& tensor : file.tensors) {
    if (tensor.name == "conv1.weight") tensor = counting("conv1.weight", {2, 3, 7, 7});
  }
  const WeightNames names = match_weight_names(resnet(), file);
  try {
    take_weights(resnet(), file, names);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("tensor conv1.weight, for conv1.weight: expected shape "
                                        "[2, 3, 3, 3], got [2, 3, 7, 7]"));
  }
  std::vector<std::string> refused;
  const auto others = take_weights(resnet(), file, names, &refused);
  EXPECT_EQ(refused.size(), 1U);
  EXPECT_FALSE(others.contains("conv1.weight"));
  EXPECT_TRUE(others.contains("conv1.gamma"));
  file = torchvision("", "downsample", "fc");
  for (StoredTensor& tensor : file.tensors) {
    if (tensor.name == "fc.bias") tensor = stored_floats("fc.bias", {5}, {0, 1, NAN, 0, 0});
  }
  EXPECT_THROW(take_weights(resnet(), file, match_weight_names(resnet(), file)), Error);
}

}  // namespace
}  // namespace flatenn::interop
