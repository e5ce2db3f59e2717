#include "flatenn/net/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "flatenn/base/error.h"
#include "flatenn/net/content_hash.h"
#include "net/testing.h"

namespace flatenn::net {
namespace {

using ::testing::HasSubstr;

/// A layer's multiplier worked out by hand: 0.5 * 0.25 / 2 = 0.0625.
TEST(Multipliers, DivideTheProductOfScalesByTheOutputs) {
  Network network = testing::mlp({});
  Layer& layer = network.layers[0];
  network.activations[0].scale = 0.5F;
  layer.weights.scales = {0.25F};
  network.activations[static_cast<size_t>(layer.dst)].scale = 2;
  EXPECT_EQ(multipliers(network, layer), std::vector<float>(37, 0.0625F));
}

TEST(Multipliers, OfLogitsKeepRealUnits) {
  Network network = testing::mlp({});
  Layer& last = network.layers[1];
  network.activations[static_cast<size_t>(last.src)].scale = 0.5F;
  last.weights.scales = {-0.25F};
  EXPECT_EQ(multipliers(network, last), std::vector<float>(5, -0.125F));
}

TEST(WeightMemory, CountsLeNetsBits) {
  const Network network = testing::lenet({});
  EXPECT_EQ(weight_bits(network), 61470 * 4);
  const std::vector<WeightTensor> memory = weight_memory(network);
  ASSERT_EQ(memory.size(), 5U);
  EXPECT_EQ(memory[1].layer, 2);
  EXPECT_EQ(memory[1].elements, 16 * 6 * 25);
}

TEST(ContentHash, TellsMemoriesWithoutActivationsApart) {
  Network memory = testing::lenet({});
  memory.activations.clear();
  for (Layer& layer : memory.layers) layer.src = layer.dst = layer.skip = -1;
  const std::string hash = content_hash(memory);
  EXPECT_EQ(content_hash(memory), hash);
  memory.layers.back().weights.codes.back() ^= 1;
  EXPECT_NE(content_hash(memory), hash);
}

TEST(Macs, CountsEveryProductOfAnImage) {
  const Network network = testing::lenet({});
  EXPECT_EQ(macs(network, network.layers[0]), 28 * 28 * 6 * 25);
  EXPECT_EQ(macs(network, network.layers[1]), 0);
  EXPECT_EQ(macs(network, network.layers[4]), 400 * 120);
}

struct Damage {
  std::string name;
  std::function<void(Network&)> apply;
  std::string message;
};

class Validate : public ::testing::TestWithParam<Damage> {};

TEST_P(Validate, NamesTheFault) {
  Network network = testing::lenet({}, 16);
  network.validate();
  GetParam().apply(network);
  try {
    network.validate();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(GetParam().message));
  }
}

const Damage kDamages[] = {
    {"NoLayers", [](Network& n) { n.layers.clear(); }, "at least one layer"},
    {"ActivationBits", [](Network& n) { n.activations[1].bits = 9; },
     "conv1_out: bits must be in 2..8, got 9"},
    {"Scale", [](Network& n) { n.activations[1].scale = 0; }, "scale must be positive"},
    {"ZeroPoint", [](Network& n) { n.activations[1].zero_point = 16; },
     "conv1_out: zero point 16 is outside 0..15"},
    {"WeightZeroPoint", [](Network& n) { n.layers[0].weights.zero_points = {8}; },
     "conv1: weight zero point 8 is outside 4 bits"},
    {"WeightZeroPoints",
     [](Network& n) {
       n.layers[0].weights.zero_points = {1, 2};
     },
     "conv1: 2 weight zero points for 6 filters"},
    {"ImageFactors",
     [](Network& n) {
       n.image.factor = {1, 2, 3};
     },
     "3 image factors"},
    {"Limits", [](Network& n) { n.layers[0].low = 5, n.layers[0].high = 4; }, "leave no code"},
    {"WeightBits", [](Network& n) { n.layers[0].weights.bits = 1; },
     "conv1: weight bits must be in 2..8, got 1"},
    {"OddWithEightBits",
     [](Network& n) {
       n.layers[0].weights.bits = 8;
       n.layers[0].weights.value_map = ValueMap::kOdd;
     },
     "at most 7 bits"},
    {"CodeOutOfRange", [](Network& n) { n.layers[0].weights.codes[3] = 8; },
     "conv1: weight code 8 is outside 4 bits"},
    {"CodesMissing", [](Network& n) { n.layers[0].weights.codes.pop_back(); }, "weight codes"},
    {"BiasMissing", [](Network& n) { n.layers[2].bias.pop_back(); },
     "conv3: expected 16 biases, got 15"},
    {"ScalesMissing", [](Network& n) { n.layers[2].weights.scales.pop_back(); },
     "expected 1 or 16 weight scales, got 15"},
    {"ScaleNotANumber", [](Network& n) { n.layers[2].weights.scales[4] = NAN; }, "of channel 4"},
    {"ReadsTheFuture", [](Network& n) { n.layers[0].src = 3; },
     "conv1: reads conv3_out, which no earlier layer wrote"},
    {"ReadsNothing", [](Network& n) { n.layers[0].src = 77; }, "src is activation 77"},
    {"WrittenTwice", [](Network& n) { n.layers[1].dst = 1; }, "which is written already"},
    {"WrongExtent", [](Network& n) { n.layers[0].window.set_pad(1); },
     "conv1: expected an output of 14x14"},
    {"Stride", [](Network& n) { n.layers[0].window.set_stride(0); }, "make no window"},
    {"Groups", [](Network& n) { n.layers[2].groups = 5; }, "5 groups do not divide"},
    {"SkipShape", [](Network& n) { n.layers[2].skip = 1; }, "conv3: adds 6x16x16"},
    {"PoolScale", [](Network& n) { n.activations[2].scale *= 2; }, "keeps bits and scale"},
    {"FloatInside", [](Network& n) { n.activations[1].is_float = true; }, "float"},
    {"Unwritten",
     [](Network& n) {
       n.activations.push_back({.name = "idle", .shape = {1, 1, 1}});
     },
     "idle: no layer writes it"},
};

INSTANTIATE_TEST_SUITE_P(Damage, Validate, ::testing::ValuesIn(kDamages),
                         [](const auto& one) { return one.param.name; });

TEST(ValidateAccumulator, RefusesWhatCouldLeaveInt32) {
  Network network;
  network.activations = {{.name = "image", .shape = {65536, 1, 3}, .is_signed = true},
                         {.name = "logits", .shape = {1, 1, 1}, .is_float = true}};
  Layer layer{.name = "fc", .kind = LayerKind::kLinear, .src = 0, .dst = 1};
  layer.weights = {.out_channels = 1, .in_channels = 3 * 65536, .scales = {1.0F}};
  layer.weights.codes.resize(3 * 65536);
  layer.bias = {0};
  network.layers = {layer};
  EXPECT_THROW(network.validate(), Error);
  network.layers[0].weights.bits = 7;
  network.validate();
}

}  // namespace
}  // namespace flatenn::net
