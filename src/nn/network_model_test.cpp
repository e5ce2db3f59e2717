#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "flatenn/base/error.h"
#include "net/testing.h"
#include "nn/integer_ops.h"
#include "nn/network_model_testing.h"

namespace flatenn::nn {
namespace {

using testing::expect_reference_codes;
using testing::options_of;

constexpr int64_t kImages = 3;

std::vector<net::testing::NamedNetwork> networks() {
  std::vector<net::testing::NamedNetwork> result = net::testing::zoo();
  for (uint64_t seed = 1; seed <= 60; ++seed)
    result.push_back({"any" + std::to_string(seed), net::testing::any_network(seed)});
  return result;
}

class NetworkModel : public ::testing::TestWithParam<net::testing::NamedNetwork> {
 protected:
  std::shared_ptr<const net::Network> network() const {
    return std::make_shared<net::Network>(GetParam().network);
  }
};

TEST_P(NetworkModel, ComputesTheReferenceEnginesCodes) {
  const auto network = this->network();
  const auto images = engine::testing::random_images(*network, kImages, 5);
  for (const bool keep_scales : {true, false}) expect_reference_codes(network, images, keep_scales);
}

/// Images whose codes are these.
torch::Tensor images_of(const net::Network& network, const torch::Tensor& codes) {
  return codes * network.input().scale;
}

/// Training computes on real values, so only sums close to a tie may round otherwise, and what
/// reads them.
TEST_P(NetworkModel, TrainingModeStaysCloseToTheCodes) {
  const auto network = this->network();
  const auto images = engine::testing::random_images(*network, kImages, 5);
  Model model(options_of(network, true));
  const torch::Tensor x = images_of(*network, testing::centred_codes(*network, *images));
  model->eval();
  const torch::Tensor codes = model->forward(x);
  model->train();
  const torch::NoGradGuard no_grad;
  const torch::Tensor real = model->forward(x);
  ASSERT_EQ(real.sizes(), codes.sizes());
  const double spread = codes.std().item<double>() + 1e-6;
  EXPECT_LT((real - codes).abs().mean().item<double>(), 0.35 * spread);
}

TEST_P(NetworkModel, HasFiniteGradientsInEveryForm) {
  const auto network = this->network();
  const auto images = engine::testing::random_images(*network, kImages, 5);
  const torch::Tensor x = images_of(*network, testing::centred_codes(*network, *images));
  std::vector<std::map<std::string, torch::Tensor>> gradients;
  for (const QuantizeForm form : {QuantizeForm::kFused, QuantizeForm::kComposite}) {
    Model model(options_of(network, false));
    model->set_quantize_form(form);
    model->train();
    torch::manual_seed(4);
    for (const auto& layer : model->layers()) {  // off the grid, where scales have gradients
      const torch::NoGradGuard no_grad;
      layer->weight += 0.3 * layer->weight.abs().mean() * torch::randn_like(layer->weight);
    }
    model->forward(x).pow(2).sum().backward();
    auto& found = gradients.emplace_back();
    for (const auto& item : model->named_parameters())
      if (item.value().grad().defined()) found[item.key()] = item.value().grad();
  }
  EXPECT_FALSE(gradients[0].empty());
  // Of equal codes in a window the forms choose different ones.
  const bool pools =
      std::any_of(network->layers.begin(), network->layers.end(),
                  [](const net::Layer& layer) { return layer.kind == net::LayerKind::kMaxPool; });
  for (const auto& [name, gradient] : gradients[0]) {
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << name;
    ASSERT_TRUE(gradients[1].contains(name)) << name;
    const torch::Tensor other = gradients[1].at(name);
    EXPECT_TRUE(other.isfinite().all().item<bool>()) << name;
    if (pools) continue;
    const double size = std::max(gradient.norm().item<double>(), other.norm().item<double>());
    EXPECT_LE((gradient - other).norm().item<double>(), 5e-2 * size + 1e-6) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, NetworkModel, ::testing::ValuesIn(networks()),
                         [](const auto& one) { return one.param.name; });

data::ImageSet random_pixels(const net::Shape& shape) {
  data::ImageSet images{.name = "pixels",
                        .count = 4,
                        .channels = shape.channels,
                        .height = shape.height,
                        .width = shape.width,
                        .labels = std::vector<uint16_t>(4, 0),
                        .class_names = {"a"},
                        .mean = std::vector<float>(static_cast<size_t>(shape.channels), 0.4F),
                        .std = std::vector<float>(static_cast<size_t>(shape.channels), 0.25F)};
  std::vector<uint8_t> pixels;
  RandomStream random(3, 0, RandomPurpose::kImageSubset);
  for (int64_t i = 0; i < 4 * shape.elements(); ++i)
    pixels.push_back(static_cast<uint8_t>(random.below(256)));
  images.pixels = std::move(pixels);
  return images;
}

torch::Tensor normalized(const data::ImageSet& images) {
  torch::Tensor x = torch::empty({images.count, images.channels, images.height, images.width});
  const int64_t plane = images.height * images.width;
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data_ptr<float>()[i] =
        images.normalized(i / plane % images.channels, images.pixels.data()[i]);
  return x;
}

TEST(NetworkModelImage, BecomesTheEnginesCodesInEveryTransform) {
  net::Network network = net::testing::residual({}, 8, 12);
  const data::ImageSet images = random_pixels(network.input().shape);
  const std::vector<net::ImageTransform> transforms = {
      {},
      {.factor = {0.7F}, .shift = {0.1F}},
      {.raw_pixels = true},
      {.raw_pixels = true, .factor = {1 / 255.0F}},
      {.raw_pixels = true, .factor = {0.01F, 0.02F, 0.015F}, .shift = {-1, 0.5F, 0.25F}},
      {.raw_pixels = true, .factor = {0.5F}, .half_away = true}};
  const int64_t channels = network.input().shape.channels;
  for (const net::ImageTransform& transform : transforms) {
    if (std::ssize(transform.factor) > 1 && std::ssize(transform.factor) != channels) continue;
    for (const bool is_signed : {true, false}) {
      network.image = transform;
      network.activations[0].is_signed = is_signed;
      network.activations[0].zero_point = is_signed ? -3 : 17;
      network.activations[0].scale = transform.raw_pixels && transform.factor.empty() ? 1 : 0.011F;
      const auto given = std::make_shared<net::Network>(network);
      const auto codes = engine::quantize_images(images, network);
      Model model(options_of(given, true));
      EXPECT_TRUE(torch::equal(model->image_codes(normalized(images)),
                               testing::centred_codes(network, *codes)));
    }
  }
}

TEST(IntegerOps, EqualTheScalarFunctions) {
  RandomStream random(11, 0, RandomPurpose::kInitialization);
  std::vector<net::FixedPoint> factors;
  for (int i = 0; i < 40; ++i)
    factors.push_back({.multiplier = static_cast<int32_t>((1U << 30) + random.below(1U << 30)),
                       .shift = static_cast<int32_t>(random.below(62)) - 31});
  std::vector<int64_t> values = {0, 1, -1, 5, -5, INT32_MAX, INT32_MIN, int64_t{1} << 33};
  for (int i = 0; i < 200; ++i) {
    const auto bits = static_cast<int>(random.below(31)) + 1;
    const auto value = static_cast<int64_t>(random.below(uint64_t{1} << bits));
    values.push_back(random.below(2) == 0 ? value : -value);
  }
  const torch::Tensor x = torch::tensor(values, torch::kInt64).view({-1, 1}).repeat({1, 40});
  const IntegerFactors tensors = integer_factors(factors, 2, torch::kCPU);
  const torch::Tensor twice = multiply(x, tensors);
  const torch::Tensor once = multiply_once(x, tensors);
  for (size_t i = 0; i < values.size(); ++i)
    for (size_t f = 0; f < factors.size(); ++f) {
      const auto row = static_cast<int64_t>(i);
      const auto column = static_cast<int64_t>(f);
      ASSERT_EQ(twice[row][column].item<int64_t>(), net::multiply(values[i], factors[f]));
      ASSERT_EQ(once[row][column].item<int64_t>(), net::multiply_once(values[i], factors[f]));
    }
  for (const int64_t count : {1, 2, 3, 4, 9, 49})
    for (const int64_t sum : {-100, -3, -2, -1, 0, 1, 2, 3, 7, 1001})
      EXPECT_EQ(rounded_mean(torch::tensor({sum}), torch::tensor({count})).item<int64_t>(),
                net::rounded_mean(sum, count));
}

/// A table's gradient is the slope of the function behind it.
TEST(NetworkModelTable, PassesTheSlopeOfItsFunction) {
  net::Network network;
  network.name = "sigmoid";
  network.activations = {{.name = "image", .shape = {1, 1, 1}, .is_signed = true, .scale = 0.05F},
                         {.name = "sum", .shape = {1, 1, 1}, .is_signed = true, .scale = 0.05F},
                         {.name = "table", .shape = {1, 1, 1}, .scale = 1 / 255.0F},
                         {.name = "logits", .shape = {1, 1, 1}, .is_float = true}};
  net::Layer fc{.name = "fc", .kind = net::LayerKind::kLinear, .src = 0, .dst = 1};
  fc.weights = {.out_channels = 1, .in_channels = 1, .codes = {1}, .scales = {1.0F}};
  fc.bias = {0};
  net::Layer table{.name = "table", .kind = net::LayerKind::kTable, .src = 1, .dst = 2};
  for (int code = -128; code < 128; ++code)
    table.table.push_back(static_cast<int16_t>(std::lround(255 / (1 + std::exp(-0.05 * code)))));
  net::Layer last = fc;
  last.name = "last";
  last.src = 2;
  last.dst = 3;
  network.layers = {fc, table, last};
  network.validate();
  Model model(options_of(std::make_shared<net::Network>(network), false));
  model->train();
  for (const double at : {-3.0, -1.0, 0.0, 0.5, 2.0}) {
    model->zero_grad();
    model->forward(torch::full({1, 1, 1, 1}, at)).sum().backward();
    const double sigmoid = 1 / (1 + std::exp(-at));
    EXPECT_NEAR(model->layers()[0]->bias.grad().item<double>(), sigmoid * (1 - sigmoid), 0.02);
  }
  // What the table means is known at its own scales alone.
  for (const auto& item : model->named_parameters())
    EXPECT_EQ(item.key().find("table_out"), std::string::npos) << item.key();
}

TEST(NetworkModelRefuses, WhatHasNothingToTrain) {
  net::Network network;
  network.name = "pool";
  network.activations = {{.name = "image", .shape = {1, 2, 2}, .is_signed = true},
                         {.name = "max", .shape = {1, 1, 1}, .is_signed = true}};
  network.layers = {
      {.name = "max", .kind = net::LayerKind::kMaxPool, .src = 0, .dst = 1, .window = {2, 2}}};
  EXPECT_THROW(Model(options_of(std::make_shared<net::Network>(network), true)), Error);
}

}  // namespace
}  // namespace flatenn::nn
