#include "flatenn/nn/quantizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "flatenn/base/error.h"

namespace flatenn::nn {
namespace {

torch::Tensor gaussian(std::vector<int64_t> shape, double mean = 0, double std = 0.1) {
  torch::manual_seed(11);
  return torch::randn(shape) * std + mean;
}

torch::Tensor dequantized(const QuantizedWeights& weights) {
  torch::Tensor scales = weights.scales;
  if (scales.numel() > 1) scales = scales.view({-1, 1});
  return (code_values(weights.codes, weights.value_map) * scales).to(torch::kFloat32);
}

TEST(WeightQuantizer, ForwardEqualsItsCodesTimesScale) {
  for (const WeightQuantizerKind kind :
       {WeightQuantizerKind::kLsq, WeightQuantizerKind::kTied, WeightQuantizerKind::kLiq})
    for (const bool per_channel : {false, true})
      for (const int64_t bits : {2, 4, 7}) {
        const torch::Tensor w = gaussian({6, 30});
        const auto quantizer =
            make_weight_quantizer({.kind = kind, .bits = bits, .per_channel = per_channel}, w);
        const QuantizedWeights codes = quantizer->quantize(w);
        EXPECT_EQ(codes.scales.numel(), per_channel ? 6 : 1);
        EXPECT_TRUE(torch::allclose(dequantized(codes), quantizer->forward(w), 1e-6, 1e-8))
            << to_string(kind) << bits;
      }
}

TEST(WeightQuantizer, LsqStartsFromThePapersStep) {
  const torch::Tensor w = gaussian({6, 30});
  const auto quantizer = make_weight_quantizer({.bits = 4}, w);
  EXPECT_NEAR(quantizer->log_scale.exp().item<double>(),
              2 * w.abs().mean().item<double>() / std::sqrt(7.0), 1e-6);
}

TEST(WeightQuantizer, LsqScalesItsGradientByElementsAndRange) {
  const torch::Tensor w = gaussian({6, 30}).set_requires_grad(true);
  const auto quantizer = make_weight_quantizer({.bits = 4}, w);
  quantizer->forward(w).sum().backward();
  const torch::Tensor s = quantizer->log_scale.detach().exp();
  const torch::Tensor u = w.detach() / s;
  const torch::Tensor v = u.clamp(-8, 7).round();
  const torch::Tensor terms = torch::where((u - u.clamp(-8, 7)) == 0, v - u, v);
  const double expected = terms.sum().item<double>() * s.item<double>() / std::sqrt(180.0 * 7);
  EXPECT_NEAR(quantizer->log_scale.grad().item<double>(), expected, 1e-5);
}

TEST(WeightQuantizer, TiedFollowsTheWeightsAndLearnsNothing) {
  const torch::Tensor w = gaussian({6, 30});
  const auto quantizer =
      make_weight_quantizer({.kind = WeightQuantizerKind::kTied, .tied_factor = 0.5}, w);
  EXPECT_TRUE(quantizer->parameters().empty());
  const double once = quantizer->quantize(w).scales.item<double>();
  EXPECT_NEAR(once, 0.5 * w.abs().mean().item<double>(), 1e-7);
  EXPECT_NEAR(quantizer->quantize(3 * w).scales.item<double>(), 3 * once, 1e-6);
  EXPECT_TRUE(torch::equal(quantizer->quantize(3 * w).codes, quantizer->quantize(w).codes));
}

TEST(WeightQuantizer, TiedFactorFallsWithBits) {
  EXPECT_DOUBLE_EQ(tied_factor_at(0, 4), 0.3);
  for (int64_t bits = 3; bits <= 8; ++bits)
    EXPECT_LT(tied_factor_at(0, bits), tied_factor_at(0, bits - 1));
}

/// A Gaussian's codes take the same share of every width's range as Max's steps give it, whatever
/// the factor: at 0.2 mean|w| an 8-bit layer would use 6 of 127 levels.
TEST(WeightQuantizer, ATiedFactorGivenByHandScalesWithTheBits) {
  const torch::Tensor w = gaussian({64, 300});
  const std::vector<double> max_steps = {0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308};
  for (int64_t bits = 2; bits <= 8; ++bits) {
    const auto given = make_weight_quantizer(
        {.kind = WeightQuantizerKind::kTied, .bits = bits, .tied_factor = 0.2}, w);
    const double scale = given->quantize(w).scales.item<double>();
    const double ratio = max_steps[static_cast<size_t>(bits - 2)] / 0.3352;
    EXPECT_NEAR(scale, 0.2 * ratio * w.abs().mean().item<double>(), 2e-3 * scale) << bits;
  }
}

TEST(WeightQuantizer, LiqHasTwoToTheBitsSymmetricLevelsAndNoZero) {
  const torch::Tensor w = gaussian({64, 300}, 0.3);
  const auto quantizer = make_weight_quantizer({.kind = WeightQuantizerKind::kLiq, .bits = 3}, w);
  const QuantizedWeights weights = quantizer->quantize(w);
  const torch::Tensor values = code_values(weights.codes, weights.value_map);
  const torch::Tensor levels = std::get<0>(torch::_unique(values));
  EXPECT_TRUE(torch::equal(levels, torch::tensor({-7., -5., -3., -1., 1., 3., 5., 7.})));
}

TEST(WeightQuantizer, LiqIgnoresShiftAndSpreadOfTheWeight) {
  const torch::Tensor w = gaussian({8, 100});
  const auto quantizer = make_weight_quantizer({.kind = WeightQuantizerKind::kLiq}, w);
  EXPECT_TRUE(torch::allclose(quantizer->forward(w), quantizer->forward(5 * w + 2)));
}

TEST(WeightQuantizer, LiqKeepsTheSpreadWhereNoBatchNormFollows) {
  const torch::Tensor w = gaussian({8, 100});
  const WeightQuantizerOptions options{.kind = WeightQuantizerKind::kLiq, .keep_spread = true};
  const auto quantizer = make_weight_quantizer(options, w);
  const torch::Tensor used = quantizer->forward(w) * quantizer->gain;
  EXPECT_NEAR(used.std().item<double>(), w.std().item<double>(), 0.02 * w.std().item<double>());
  EXPECT_TRUE(torch::allclose(dequantized(quantizer->quantize(w)), used));
}

TEST(WeightQuantizer, RefusesBitsOutOfRange) {
  const torch::Tensor w = gaussian({2, 2});
  for (const int64_t bits : {0, 1, 9})
    EXPECT_THROW(make_weight_quantizer({.bits = bits}, w), Error) << bits;
  EXPECT_THROW(make_weight_quantizer({.kind = WeightQuantizerKind::kLiq, .bits = 8}, w), Error);
  EXPECT_THROW(parse_weight_quantizer("lqs"), Error);
}

TEST(ActivationQuantizer, IsReluAndClipInOne) {
  ActivationQuantizerImpl quantizer(4, /*is_signed=*/false);
  quantizer.initialize(torch::full({1, 4}, 1.0));
  const double s = quantizer.scale().item<double>();
  EXPECT_NEAR(s, 2 / std::sqrt(15.0), 1e-6);
  const torch::Tensor x = torch::tensor({{-3.0F, 0.0F, 1.0F, 100.0F}}).set_requires_grad(true);
  const torch::Tensor q = quantizer.forward(x);
  EXPECT_EQ(q[0][0].item<float>(), 0);
  EXPECT_NEAR(q[0][3].item<double>(), 15 * s, 1e-5);
  q.sum().backward();
  EXPECT_TRUE(torch::equal(x.grad(), torch::tensor({{0.0F, 1.0F, 1.0F, 0.0F}})));
}

TEST(ActivationQuantizer, IsUnusableBeforeItHasAScale) {
  ActivationQuantizerImpl quantizer(4, false);
  EXPECT_FALSE(quantizer.initialized());
  EXPECT_THROW(quantizer.forward(torch::ones({1, 2})), Error);
}

TEST(ActivationQuantizer, LearnsNothingAboutTheImage) {
  const auto fixed = ActivationQuantizerImpl::fixed(8, 0.02);
  ActivationQuantizerImpl& quantizer = *fixed;
  EXPECT_TRUE(quantizer.parameters().empty());
  EXPECT_TRUE(quantizer.initialized());
  const torch::Tensor x = torch::tensor({{-9.0F, 0.033F, 0.055F, 9.0F}});
  EXPECT_TRUE(torch::equal(quantizer.codes(x), torch::tensor({{-128.0F, 2.0F, 3.0F, 127.0F}})));
}

}  // namespace
}  // namespace flatenn::nn
