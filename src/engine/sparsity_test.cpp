#include "flatenn/engine/sparsity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing.h"

namespace flatenn::engine {
namespace {

net::Activation codes_of(const std::string& name, int64_t elements) {
  return {.name = name, .shape = {.channels = elements}, .bits = 4, .scale = 1};
}

net::Layer linear(const std::string& name, int64_t src, std::vector<int8_t> codes,
                  int64_t out_channels) {
  net::Layer layer{.name = name, .kind = net::LayerKind::kLinear, .src = src, .dst = src + 1};
  layer.relu = true;
  layer.weights = {.out_channels = out_channels,
                   .in_channels = static_cast<int64_t>(codes.size()) / out_channels,
                   .bits = 4,
                   .codes = std::move(codes),
                   .scales = {1}};
  layer.bias.assign(static_cast<size_t>(out_channels), 0);
  return layer;
}

/// The image goes through an identity with ReLU; fc2 picks its elements 0 and 2; fc3 makes three
/// logits.
std::shared_ptr<net::Network> three_layers() {
  auto network = std::make_shared<net::Network>();
  network->name = "three_layers";
  network->activations = {codes_of("image", 4), codes_of("hidden1", 4), codes_of("hidden2", 2),
                          codes_of("logits", 3)};
  network->activations.front().is_signed = true;
  network->activations.back().is_float = true;
  network->layers = {
      linear("fc1", 0, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, 4),
      linear("fc2", 1, {1, 0, 0, 0, 0, 0, 1, 0}, 2),
      linear("fc3", 2, {1, 1, 1, 1, 1, 1}, 3),
  };
  network->layers.back().relu = false;
  return network;
}

TEST(ActivationSparsity, WeighsEachLayersZerosByItsMacsAndLeavesTheImageOut) {
  const auto network = three_layers();
  auto images = std::make_shared<ImageCodes>();
  images->shape = network->input().shape;
  images->count = 2;
  images->codes = {1, -1, 2, 0,   // hidden1 1 0 2 0, hidden2 1 2
                   0, 0,  3, 4};  // hidden1 0 0 3 4, hidden2 0 3
  const auto engine = make_engine(network, images, {.kind = EngineKind::kReference});
  const ActivationSparsity sparsity = measure_sparsity(*engine, *network, *images);
  EXPECT_THAT(sparsity.layers,
              ::testing::ElementsAre(::testing::Pair("fc2", 0.5), ::testing::Pair("fc3", 0.25)));
  EXPECT_DOUBLE_EQ(sparsity.network, (8 * 0.5 + 6 * 0.25) / 14);
}

/// An engine that offers nothing but codes().
class CodesOnly final : public Engine {
 public:
  explicit CodesOnly(Engine& inner) : inner_(inner) {}
  std::string name() const override { return "codes only"; }
  void run(std::span<Job> jobs) override { inner_.run(jobs); }
  std::vector<int16_t> codes(const Job& job, int64_t activation) override {
    return inner_.codes(job, activation);
  }

 private:
  Engine& inner_;
};

TEST(ActivationSparsity, IsTheSameCountedInOnePassOrByCodes) {
  const auto network = std::make_shared<net::Network>(net::testing::residual({}));
  const auto images = testing::random_images(*network, 7, 3);
  const auto engine = make_engine(network, images, {.kind = EngineKind::kReference});
  CodesOnly slow(*engine);
  const ActivationSparsity a = measure_sparsity(*engine, *network, *images);
  const ActivationSparsity b = measure_sparsity(slow, *network, *images);
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.network, b.network);
  EXPECT_GT(a.network, 0.1);
}

}  // namespace
}  // namespace flatenn::engine
