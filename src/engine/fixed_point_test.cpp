#include <gtest/gtest.h>

#include "engine/reference.h"
#include "engine/testing.h"
#include "net/testing.h"

/// The reference's fixed-point arithmetic, worked out by hand on single elements.
namespace flatenn::engine {
namespace {

using net::Layer;
using net::LayerKind;

constexpr net::FixedPoint kQuarter{.multiplier = 1 << 30, .shift = -1};
constexpr net::FixedPoint kHalf{.multiplier = 1 << 30, .shift = 0};
constexpr net::FixedPoint kOne{.multiplier = 1 << 30, .shift = 1};

/// An image of `codes` (scale 1, zero point -2), one layer and its output of the same shape.
net::Network one_layer(int64_t width, Layer layer) {
  net::Network network;
  network.activations = {
      {.name = "image", .shape = {1, 1, width}, .is_signed = true, .scale = 1, .zero_point = -2},
      {.name = "out", .shape = {1, 1, width}, .is_signed = true, .scale = 4, .zero_point = 5}};
  layer.name = "layer";
  layer.src = 0;
  layer.dst = 1;
  layer.requantization = net::Requantization::kFixedPoint;
  network.layers = {std::move(layer)};
  return network;
}

std::vector<int16_t> codes(net::Network network, std::vector<int8_t> image) {
  network.validate();
  auto images = std::make_shared<ImageCodes>();
  images->shape = network.input().shape;
  images->count = 1;
  images->codes = std::move(image);
  ReferenceEngine engine(std::make_shared<const net::Network>(std::move(network)), images, 1);
  return engine.codes({}, 1);
}

Layer scaled_by_one() {
  Layer layer{.name = {}, .kind = LayerKind::kConv};
  layer.weights = {.out_channels = 1, .in_channels = 1, .codes = {1}, .scales = {1}};
  layer.bias = {0};
  layer.factors = {kQuarter};
  return layer;
}

/// x / 4: 2 is 0.5, first to 1 (half of 2 is whole), then 0.5 away from zero.
TEST(FixedPointConv, RoundsHalvesAwayFromZero) {
  EXPECT_EQ(codes(one_layer(4, scaled_by_one()), {0, -4, 2, -8}),
            (std::vector<int16_t>{6, 4, 6, 3}));  // of 2, -2, 4, -6, as 1, -1, 1, -2
}

TEST(FixedPointConv, ReluAndLimitsApplyToCodes) {
  Layer layer = scaled_by_one();
  layer.relu = true;
  layer.high = 9;
  EXPECT_EQ(codes(one_layer(3, layer), {-50, 6, 100}), (std::vector<int16_t>{5, 7, 9}));
}

TEST(FixedPointMean, OfCodesRoundsHalvesAwayFromZero) {
  Layer layer{.name = {}, .kind = LayerKind::kAvgPool, .window = {.kernel_width = 2, .right = 1}};
  net::Network network = one_layer(2, layer);
  network.activations[1].scale = 1;
  network.activations[1].zero_point = -2;
  EXPECT_EQ(codes(network, {-7, -6}), (std::vector<int16_t>{-7, -6}));  // -6.5; -6 alone
  network.layers[0].count_padding = true;
  EXPECT_EQ(codes(network, {7, 6}), (std::vector<int16_t>{7, 2}));  // 6.5; (6 - 2) / 2
}

/// The operands lie 20 bits up, so that halves of both add to a whole.
TEST(FixedPointAdd, KeepsTwentyBitsOfEachOperand) {
  Layer layer{.name = {}, .kind = LayerKind::kAdd, .others = {0}};
  layer.factors = {kHalf, kHalf, {.multiplier = 1 << 30, .shift = -20}};
  // 2^20 / 2 + 2^20 / 2 for each unit, times 2^-21 (unit 2 over scale 4 and 2^20): x / 2.
  EXPECT_EQ(codes(one_layer(3, layer), {-1, 0, 4}), (std::vector<int16_t>{6, 6, 8}));
}

/// 1 * 1 / 4 is rounded twice: 0.5 becomes 1, then 0.5 again.
TEST(FixedPointMul, MultipliesWithoutZeroPoints) {
  Layer layer{.name = {}, .kind = LayerKind::kMul, .others = {0}};
  layer.factors = {kQuarter};
  EXPECT_EQ(codes(one_layer(3, layer), {-1, 0, 4}), (std::vector<int16_t>{6, 6, 14}));
}

/// One that is not the scales' is another network.
TEST(FixedPoint, ValidateRefusesFactorsThatAreNotTheScales) {
  Layer layer = scaled_by_one();
  layer.factors = {kHalf};
  EXPECT_THROW(one_layer(1, layer).validate(), std::runtime_error);
  layer.factors = {kQuarter, kQuarter};
  EXPECT_THROW(one_layer(1, layer).validate(), std::runtime_error);
  layer.factors = {kQuarter};
  EXPECT_NO_THROW(one_layer(1, layer).validate());
  net::Network network = one_layer(1, layer);
  network.layers[0].requantization = net::Requantization::kFloat;
  EXPECT_THROW(network.validate(), std::runtime_error);
  network.activations[1].scale = 1;
  network.layers[0].requantization = net::Requantization::kFixedPoint;
  network.layers[0].factors = {kOne};
  EXPECT_NO_THROW(network.validate());
}

}  // namespace
}  // namespace flatenn::engine
