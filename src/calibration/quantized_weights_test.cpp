#include "calibration/quantized_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "calibration/hand_graph.h"
#include "flatenn/base/error.h"

namespace flatenn::calibration {
namespace {

FloatOp layer(std::vector<float> values, std::vector<float> bias) {
  HandGraph hand({2, 1, 1});
  FloatOp op = hand.conv("conv", std::move(values));
  op.weights.bias = std::move(bias);
  return op;
}

TEST(QuantizedWeights, HaveOneScaleOrOneAChannel) {
  const FloatOp op = layer({12.7F, -3, 0.05F, 0.127F}, {0, 0});
  const net::Weights one = quantized_weights(op, 1, {});
  EXPECT_THAT(one.codes, ::testing::ElementsAre(127, -30, 0, 1));
  EXPECT_FLOAT_EQ(one.scales.at(0), 0.1F);
  const net::Weights each = quantized_weights(op, 1, {.per_channel = true});
  EXPECT_THAT(each.codes, ::testing::ElementsAre(127, -30, 50, 127));
  EXPECT_FLOAT_EQ(each.scales.at(1), 0.001F);
}

TEST(QuantizedWeights, AreSymmetricAtEveryWidth) {
  for (int bits = 2; bits <= 8; ++bits) {
    const net::Weights w =
        quantized_weights(layer({1, -1, 0.4F, -0.4F}, {0, 0}), 1, {.weight_bits = bits});
    EXPECT_EQ(w.codes[0], (1 << (bits - 1)) - 1);
    EXPECT_EQ(w.codes[1], -w.codes[0]);
    EXPECT_EQ(w.bits, bits);
  }
}

TEST(QuantizedWeights, GiveLeastSquaredErrorWhereAsked) {
  const FloatOp op = layer({1, 0.3F, 0.31F, -0.29F, -0.3F, 0.3F, 0.28F, 0.3F}, {0, 0, 0, 0});
  const auto error = [&](RangeMethod method) {
    const std::vector<float> real =
        real_values(quantized_weights(op, 1, {.method = method, .weight_bits = 2}));
    double sum = 0;
    for (size_t i = 0; i < real.size(); ++i) {
      sum += std::pow(static_cast<double>(real[i] - op.weights.values[i]), 2);
    }
    return sum;
  };
  double least = INFINITY;
  for (int i = 1; i <= 1000; ++i) {
    double sum = 0;
    for (const float w : op.weights.values) {
      const double code = std::clamp(std::nearbyint(static_cast<double>(w) * 1000 / i), -1.0, 1.0);
      sum += std::pow(static_cast<double>(w) - code * i / 1000, 2);
    }
    least = std::min(least, sum);
  }
  EXPECT_LT(error(RangeMethod::kMse), error(RangeMethod::kMinMax));
  EXPECT_LE(error(RangeMethod::kMse), 1.05 * least);
}

TEST(QuantizedWeights, OfChannelsOfZerosKeepTheirBias) {
  for (const bool per_channel : {false, true}) {
    const FloatOp op = layer({0, 0, 1, -1}, {0.75F, 0});
    const net::Weights w = quantized_weights(op, 0.01F, {.per_channel = per_channel});
    const std::vector<int32_t> biases = quantized_biases(op.weights.bias, w, 0.01F);
    EXPECT_NEAR(static_cast<float>(biases[0]) * 0.01F * w.scale(0), 0.75F, 1e-4F);
  }
  const FloatOp dead = layer({0, 0, 0, 0}, {3, -2});
  const net::Weights w = quantized_weights(dead, 0.5F, {});
  EXPECT_THAT(quantized_biases(dead.weights.bias, w, 0.5F), ::testing::ElementsAre(6, -4));
}

/// Tiny weights beside a large bias: the bias must have a code.
TEST(QuantizedWeights, TakeScalesThatBiasesFit) {
  const FloatOp op = layer({1e-7F, 0, 0, 1e-7F}, {1000, -1000});
  const net::Weights w = quantized_weights(op, 1e-3F, {.per_channel = true});
  const std::vector<int32_t> biases = quantized_biases(op.weights.bias, w, 1e-3F);
  for (size_t c = 0; c < 2; ++c) {
    const float real = static_cast<float>(biases[c]) * 1e-3F * w.scale(static_cast<int64_t>(c));
    EXPECT_NEAR(real, op.weights.bias[c], 0.1F);
  }
}

TEST(QuantizedWeights, RefuseWhatIsNotFinite) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const FloatOp& op : {layer({1, bad}, {0}), layer({1, 1}, {bad})}) {
      try {
        quantized_weights(op, 1, {});
        FAIL();
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::HasSubstr("layer conv: "));
      }
    }
  }
}

}  // namespace
}  // namespace flatenn::calibration
