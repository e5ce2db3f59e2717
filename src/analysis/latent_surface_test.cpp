#include "flatenn/analysis/latent_surface.h"

#include <gtest/gtest.h>

#include "flatenn/train/freeze.h"

namespace flatenn::analysis {
namespace {

constexpr int64_t kImages = 12;

torch::Tensor pixels() {
  torch::manual_seed(3);
  return torch::randn({kImages, 1, 8, 8});
}

/// A small calibrated network with batch norm, whose weights, statistics and biases depend on
/// `seed`.
nn::Model model_of(uint64_t seed) {
  nn::Model model(nn::ModelOptions{.architecture = "resnet20",
                                   .input = {1, 8, 8},
                                   .input_scale = 3.0 / 127,
                                   .quant = {.quantizer = nn::WeightQuantizerKind::kTied},
                                   .seed = seed});
  model->train();
  model->calibrate(pixels() * (1.0 + static_cast<double>(seed)));
  const torch::NoGradGuard no_grad;
  model->forward(pixels());
  model->eval();
  return model;
}

engine::ImageCodes codes() {
  engine::ImageCodes images{.shape = {1, 8, 8}, .count = kImages, .codes = {}};
  const torch::Tensor all = (pixels() * (127 / 3.0)).round().clamp(-128, 127).to(torch::kInt8);
  const auto* data = all.data_ptr<int8_t>();
  images.codes.assign(data, data + all.numel());
  return images;
}

std::vector<uint16_t> labels() {
  std::vector<uint16_t> labels;
  for (int64_t i = 0; i < kImages; ++i) labels.push_back(static_cast<uint16_t>(i % 10));
  return labels;
}

double frozen_loss(const nn::Model& model) {
  const auto network = std::make_shared<net::Network>(train::freeze(*model).network);
  const LossSurface surface(std::make_shared<TorchNetwork>(network), codes(), labels());
  return surface.value(surface.zero_move()).loss;
}

TEST(LatentSurface, IsTheFrozenNetworkAtTheOriginAndGivesTheModelBack) {
  const nn::Model model = model_of(1);
  const torch::Tensor before = latent_weights(*model).clone();
  {
    LatentSurface surface(model.ptr(), codes(), labels());
    EXPECT_EQ(surface.at(torch::zeros_like(before)).loss, frozen_loss(model));
    surface.at(torch::ones_like(before));
  }
  EXPECT_TRUE(torch::equal(latent_weights(*model), before));
}

TEST(LatentSurface, WalksToAnotherNetworkWithItsBatchNormAndScales) {
  const nn::Model start = model_of(1), end = model_of(2);
  const double other = frozen_loss(end);
  LatentSurface surface(start.ptr(), codes(), labels());
  const WeightPoint point{"other", latent_weights(*end), latent_rest(*end), latent_shapes(*end)};
  const LandscapeAxes axes = path_axes(surface, point, 0, {});
  ASSERT_GT(std::abs(surface.at(axes.x * 0).loss - other), 1e-3);
  EXPECT_NEAR(surface.at(axes.x).loss, other, 1e-4);
}

TEST(LatentSurface, HasAGradientThatRaisesTheLoss) {
  const nn::Model model = model_of(1);
  LatentSurface surface(model.ptr(), codes(), labels());
  const torch::Tensor gradient = surface.gradient();
  ASSERT_EQ(gradient.numel(), latent_weights(*model).numel());
  EXPECT_GT(gradient.norm().item<double>(), 0);
}

}  // namespace
}  // namespace flatenn::analysis
