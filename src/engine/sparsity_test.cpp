#include "flatenn/engine/sparsity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
              testing::ElementsAre(testing::Pair("fc2", 0.5), testing::Pair("fc3", 0.25)));
  EXPECT_DOUBLE_EQ(sparsity.network, (8 * 0.5 + 6 * 0.25) / 14);
}

}  // namespace
}  // namespace flatenn::engine
