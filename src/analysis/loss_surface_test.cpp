#include "flatenn/analysis/loss_surface.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/hand_network.h"
#include "flatenn/analysis/directions.h"
#include "flatenn/analysis/sharpness.h"
#include "flatenn/base/error.h"

namespace flatenn::analysis {
namespace {

constexpr double kFloat32 = 1e-5;  // relative error of float32 sums this short

LossSurface hand_surface(int64_t batch = 1000) {
  return LossSurface(std::make_shared<TorchNetwork>(hand_network()), hand_images(), hand_labels(),
                     0, batch);
}

// Golden values: hand_network_reference.py.
TEST(LossSurface, GivesPyTorchsLossAndGradient) {
  const LossSurface surface = hand_surface();
  EXPECT_NEAR(surface.value(surface.zero_move()).loss, 2.7417336196617055, 3 * kFloat32);
  const torch::Tensor gradient = surface.gradient(surface.zero_move());
  EXPECT_NEAR(gradient.norm().item<double>(), 1.9294103336953867, 2 * kFloat32);
  EXPECT_NEAR(gradient[0].item<double>(), -0.3762201442312042, kFloat32);
  EXPECT_NEAR(gradient[31].item<double>(), -0.021303380154635877, kFloat32);
}

TEST(LossSurface, HessianProductsMakeTheDenseHessian) {
  const LossSurface surface = hand_surface();
  const torch::Tensor identity = torch::eye(45);
  std::vector<torch::Tensor> columns;
  for (int64_t i = 0; i < 45; ++i) columns.push_back(surface.hessian_product(identity[i]));
  const torch::Tensor hessian = torch::stack(columns);
  EXPECT_LT((hessian - hessian.t()).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(hessian.trace().item<double>(), 9.825727824283348, 1e-4);
}

TEST(LossSurface, BatchesDoNotMatter) {
  const LossSurface whole = hand_surface();
  const LossSurface parts = hand_surface(3);
  const torch::Tensor zero = whole.zero_move();
  EXPECT_NEAR(whole.value(zero).loss, parts.value(zero).loss, kFloat32);
  EXPECT_TRUE(torch::allclose(whole.gradient(zero), parts.gradient(zero), 1e-4, 1e-6));
  const torch::Tensor v = normal_direction(45, 1, 0);
  EXPECT_TRUE(torch::allclose(whole.hessian_product(v), parts.hessian_product(v), 1e-4, 1e-5));
}

TEST(LossSurface, SquaredGradientsAreTheMeanOverSingleImages) {
  const LossSurface surface = hand_surface();
  torch::Tensor expected = surface.zero_move();
  for (int64_t i = 0; i < 8; ++i) expected += surface.gradient(surface.zero_move(), i, 1).square();
  EXPECT_TRUE(torch::allclose(surface.squared_gradients(8), expected / 8, 1e-4, 1e-7));
  EXPECT_THROW(surface.squared_gradients(9), Error);
}

TEST(LossSurface, SquaredGradientsAreTheSameBitsForAnyNumberOfThreads) {
  const LossSurface surface = hand_surface();
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const torch::Tensor alone = surface.squared_gradients(7);
  at::set_num_threads(4);
  int64_t calls = 0;
  const torch::Tensor together = surface.squared_gradients(7, [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, ++calls);
    EXPECT_EQ(total, 7);
  });
  at::set_num_threads(before);
  EXPECT_EQ(calls, 7);
  EXPECT_TRUE(torch::equal(alone, together));
}

TEST(LossSurface, RefusesMovesOfAnotherLength) {
  EXPECT_THROW(hand_surface().value(torch::zeros({44})), Error);
}

TEST(Sharpness, GivesPyTorchsSpectrumOnASmallNetwork) {
  const SharpnessReport report = measure_sharpness(
      hand_surface(), {.rho = {0.1}, .samples = 4, .eigenvalues = 3, .tolerance = 1e-3});
  const std::vector<double> golden{3.065347249073651, 2.5305517940596145, 1.8341080503347216};
  for (size_t i = 0; i < golden.size(); ++i) {
    EXPECT_NEAR(report.hessian.values[i], golden[i], 5e-3 * golden[i]);
  }
  EXPECT_NEAR(report.trace.trace, 9.825727824283348, 4 * report.trace.standard_error + 0.02);
  EXPECT_NEAR(report.radii[0].one_step, 0.016658762553559026, 1e-4);
  EXPECT_GE(report.radii[0].worst, report.radii[0].one_step);
}

TEST(Sharpness, BatchesAsLargeAsTheSetGiveTheOneStepRise) {
  const SharpnessReport report =
      measure_sharpness(hand_surface(), {.rho = {0.1}, .m = 8, .samples = 2, .eigenvalues = 0});
  EXPECT_NEAR(report.radii[0].m_sharpness, report.radii[0].one_step, 1e-6);
}

TEST(Sharpness, GivesTheDensityWithoutEigenvaluesToo) {
  const SharpnessReport report = measure_sharpness(
      hand_surface(), {.rho = {0.1}, .samples = 2, .eigenvalues = 0, .density = true});
  EXPECT_TRUE(report.hessian.values.empty());
  EXPECT_FALSE(report.density.density.empty());
}

TEST(Sharpness, RefusesValuesThatMeanNothing) {
  const LossSurface surface = hand_surface();
  EXPECT_THROW(measure_sharpness(surface, {.rho = {0.0}}), Error);
  EXPECT_THROW(measure_sharpness(surface, {.rho = {-0.1}}), Error);
  EXPECT_THROW(measure_sharpness(surface, {.rho = {}}), Error);
  EXPECT_THROW(measure_sharpness(surface, {.noise = 0}), Error);
  EXPECT_THROW(measure_sharpness(surface, {.tolerance = 0}), Error);
  EXPECT_THROW(measure_sharpness(surface, {.eigenvalues = 46}), Error);
}

TEST(Directions, FilterNormalizationGivesEveryFilterItsWeightsNorm) {
  const std::vector<std::vector<int64_t>> shapes{{5, 6, 1, 1}, {3, 5, 1, 1}};
  const torch::Tensor weights = normal_direction(45, 1, 0);
  const torch::Tensor direction = filter_normalized(normal_direction(45, 2, 0), weights, shapes);
  for (int64_t filter = 0; filter < 5; ++filter) {
    EXPECT_NEAR(direction.slice(0, 6 * filter, 6 * filter + 6).norm().item<double>(),
                weights.slice(0, 6 * filter, 6 * filter + 6).norm().item<double>(), 1e-5);
  }
  EXPECT_TRUE(torch::equal(normal_direction(45, 2, 0), normal_direction(45, 2, 0)));
  EXPECT_FALSE(torch::equal(normal_direction(45, 2, 0), normal_direction(45, 2, 1)));
}

TEST(Directions, NoiseHasTheRelativeNormAskedFor) {
  const std::vector<std::vector<int64_t>> shapes{{2, 5000, 1, 1}};
  const torch::Tensor weights = normal_direction(10000, 1, 0);
  const torch::Tensor noise = filter_noise(weights, shapes, 0.3, 7, 0);
  EXPECT_NEAR(noise.norm().item<double>() / weights.norm().item<double>(), 0.3, 0.01);
}

TEST(Directions, LengthIsExactOverAsManyWeightsAsAResNetHas) {
  const int64_t count = 11'000'000;
  const double value = 0.0041F;
  EXPECT_NEAR(length(torch::full({count}, value)) / (value * std::sqrt(static_cast<double>(count))),
              1, 1e-9);
}

}  // namespace
}  // namespace flatenn::analysis
