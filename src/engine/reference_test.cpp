#include "engine/reference.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/testing.h"
#include "flatenn/base/error.h"
#include "net/testing.h"

namespace flatenn::engine {
namespace {

using net::Layer;
using net::LayerKind;

/// An independent way to the same codes: scatters each input code over the outputs it reaches (the
/// reference gathers), in int64, and rounds through double-checked float steps.
std::vector<int64_t> scattered_sums(const net::Network& network, const Layer& layer,
                                    const std::vector<int16_t>& src, int64_t image) {
  const net::Shape in = network.activations[static_cast<size_t>(layer.src)].shape;
  const net::Shape out = network.activations[static_cast<size_t>(layer.dst)].shape;
  const net::Weights& w = layer.weights;
  std::vector<int64_t> sums(static_cast<size_t>(out.elements()));
  for (int64_t i = 0; i < in.elements(); ++i) {
    const int64_t code = src[static_cast<size_t>(image * in.elements() + i)];
    const int64_t c = i / (in.height * in.width);
    const int64_t y = i / in.width % in.height;
    const int64_t x = i % in.width;
    for (int64_t o = 0; o < w.out_channels; ++o) {
      if (layer.kind == LayerKind::kLinear) {
        sums[static_cast<size_t>(o)] +=
            code * w.value(w.codes[static_cast<size_t>(o * w.in_channels + i)]);
        continue;
      }
      const int64_t group = o / (w.out_channels / layer.groups);
      if (c / w.in_channels != group) continue;
      for (int64_t oy = 0; oy < out.height; ++oy) {
        for (int64_t ox = 0; ox < out.width; ++ox) {
          const int64_t ky = y + layer.pad() - oy * layer.stride();
          const int64_t kx = x + layer.pad() - ox * layer.stride();
          if (ky < 0 || ky >= w.kernel_height || kx < 0 || kx >= w.kernel_width) continue;
          const int64_t element =
              ((o * w.in_channels + c % w.in_channels) * w.kernel_height + ky) * w.kernel_width +
              kx;
          sums[static_cast<size_t>((o * out.height + oy) * out.width + ox)] +=
              code * w.value(w.codes[static_cast<size_t>(element)]);
        }
      }
    }
  }
  return sums;
}

/// The contract's float steps as separately rounded doubles: a float sum or product computed in
/// double and rounded once to float is the correctly rounded float result.
double contract_value(const net::Network& network, const Layer& layer, int64_t acc, int64_t channel,
                      int64_t skip_code) {
  const auto c = static_cast<size_t>(channel);
  const auto sum = static_cast<float>(static_cast<double>(static_cast<float>(acc)) +
                                      static_cast<double>(static_cast<float>(layer.bias[c])));
  const float multiplier = net::multipliers(network, layer)[c];
  double y = static_cast<float>(static_cast<double>(sum) * static_cast<double>(multiplier));
  if (layer.skip >= 0) {
    const long double exact = static_cast<long double>(skip_code) *
                                  static_cast<long double>(net::skip_multiplier(network, layer)) +
                              static_cast<long double>(y);
    y = static_cast<double>(static_cast<float>(exact));
  }
  return layer.relu && y < 0 ? 0.0 : y;
}

class ReferenceLayers : public ::testing::TestWithParam<net::testing::NamedNetwork> {};

TEST_P(ReferenceLayers, EqualAnIndependentScatterInInt64) {
  constexpr int64_t kImages = 2;
  const auto network = std::make_shared<net::Network>(GetParam().network);
  const auto images = testing::random_images(*network, kImages, 5);
  ReferenceEngine engine(network, images, 1);
  for (const Layer& layer : network->layers) {
    const net::Activation& dst = network->activations[static_cast<size_t>(layer.dst)];
    if (!layer.multiplies() || dst.is_float) continue;
    const std::vector<int16_t> src = engine.codes({}, layer.src);
    const std::vector<int16_t> got = engine.codes({}, layer.dst);
    const std::vector<int16_t> skip =
        layer.skip < 0 ? std::vector<int16_t>{} : engine.codes({}, layer.skip);
    const int64_t plane = dst.shape.height * dst.shape.width;
    for (int64_t image = 0; image < kImages; ++image) {
      const std::vector<int64_t> sums = scattered_sums(*network, layer, src, image);
      for (int64_t i = 0; i < dst.shape.elements(); ++i) {
        const auto at = static_cast<size_t>(image * dst.shape.elements() + i);
        const double y = contract_value(*network, layer, sums[static_cast<size_t>(i)], i / plane,
                                        skip.empty() ? 0 : skip[at]);
        const double clamped =
            std::fmin(std::fmax(std::nearbyint(y), dst.min_code()), dst.max_code());
        ASSERT_EQ(got[at], clamped) << layer.name << " element " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, ReferenceLayers, ::testing::ValuesIn(net::testing::zoo()),
                         [](const auto& one) { return one.param.name; });

TEST(Reference, RandomNetworksUseManyCodes) {
  const auto network = std::make_shared<net::Network>(net::testing::lenet({}, 16));
  ReferenceEngine engine(network, testing::random_images(*network, 4, 5), 1);
  for (size_t i = 1; i + 1 < network->activations.size(); ++i) {
    std::vector<int64_t> histogram(16);
    for (const int16_t code : engine.codes({}, static_cast<int64_t>(i))) {
      ++histogram[static_cast<size_t>(code)];
    }
    int64_t used = 0;
    for (const int64_t count : histogram) used += count > 0 ? 1 : 0;
    EXPECT_GE(used, 6) << network->activations[i].name;
  }
}

TEST(Reference, MaxPoolTakesTheLargestCodeAndAverageRoundsOnce) {
  net::Network network;
  network.activations = {{.name = "image", .shape = {1, 2, 2}, .is_signed = true},
                         {.name = "max", .shape = {1, 1, 1}, .is_signed = true},
                         {.name = "avg", .shape = {1, 1, 1}, .is_signed = true, .scale = 0.5F},
                         {.name = "logits", .shape = {1, 1, 1}, .is_float = true}};
  Layer max{.name = "max", .kind = LayerKind::kMaxPool, .src = 0, .dst = 1, .window = {2, 2}};
  Layer avg{.name = "avg", .kind = LayerKind::kAvgPool, .src = 0, .dst = 2, .window = {2, 2}};
  Layer fc{.name = "fc", .kind = LayerKind::kLinear, .src = 1, .dst = 3};
  fc.weights = {.out_channels = 1, .in_channels = 1, .codes = {3}, .scales = {0.5F}};
  fc.bias = {-1};
  network.layers = {max, avg, fc};
  network.validate();
  auto images = std::make_shared<ImageCodes>();
  images->shape = {1, 2, 2};
  images->count = 2;
  images->codes = {-7, -3, -4, -9, 1, 2, 0, 2};
  ReferenceEngine engine(std::make_shared<net::Network>(network), images, 1);
  EXPECT_EQ(engine.codes({}, 1), (std::vector<int16_t>{-3, 2}));
  // -23 / 4 / 0.5 = -11.5 rounds to -12 (even); 5 / 4 / 0.5 = 2.5 rounds to 2 (even).
  EXPECT_EQ(engine.codes({}, 2), (std::vector<int16_t>{-12, 2}));
  EXPECT_EQ(golden_logits(engine, network, *images), (std::vector<float>{-5.0F, 2.5F}));
}

TEST(Reference, RefusesJobsThatDoNotFit) {
  const auto network = std::make_shared<net::Network>(net::testing::mlp({}));
  ReferenceEngine engine(network, testing::random_images(*network, 3, 5), 1);
  std::vector<float> logits(15);
  const auto refused = [&](Job job) { EXPECT_THROW(engine.run({&job, 1}), Error); };
  const std::vector<int64_t> far{3};
  refused({.weights = {{.layer = 9}}, .logits = logits});
  refused({.weights = {{.layer = 0, .element = 63 * 37}}, .logits = logits});
  refused({.weights = {{.layer = 0, .element = 0, .code = 8}}, .logits = logits});
  refused({.biases = {{.layer = 1, .channel = 5}}, .logits = logits});
  refused({.images = far, .logits = std::span(logits).first(5)});
  refused({.logits = std::span(logits).first(5)});
  EXPECT_THROW(engine.codes({}, 2), Error);
}

}  // namespace
}  // namespace flatenn::engine
