#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flatenn/base/random.h"
#include "flatenn/net/network.h"

namespace flatenn::fault {

/// One multiplying layer of a network made for a test.
struct TestLayer {
  std::string name;
  std::vector<int64_t> shape;  ///< OIHW
  int bits = 4;
  net::ValueMap value_map = net::ValueMap::kCode;
};

/// A chain of linear-kind layers with random codes over the whole code range and random biases.
/// Enough for the weight memory; shapes of neighbours need not fit.
inline std::shared_ptr<const net::Network> make_test_network(const std::vector<TestLayer>& layers,
                                                             uint64_t seed = 1) {
  auto network = std::make_shared<net::Network>();
  RandomStream random(seed, 0, RandomPurpose::kInitialization);
  network->activations.push_back(
      {.name = "image", .shape = {1, 4, 4}, .bits = 8, .is_signed = true});
  for (const TestLayer& wanted : layers) {
    net::Layer layer;
    layer.name = wanted.name;
    layer.src = std::ssize(network->activations) - 1;
    layer.dst = layer.src + 1;
    net::Weights& weights = layer.weights;
    weights.out_channels = wanted.shape[0];
    weights.in_channels = wanted.shape[1];
    weights.kernel_height = wanted.shape[2];
    weights.kernel_width = wanted.shape[3];
    weights.bits = wanted.bits;
    weights.value_map = wanted.value_map;
    weights.scales.assign(1, 0.5F);
    const uint64_t codes = uint64_t{1} << wanted.bits;
    for (int64_t i = 0; i < weights.elements(); ++i) {
      weights.codes.push_back(static_cast<int8_t>(static_cast<int64_t>(random.below(codes)) -
                                                  static_cast<int64_t>(codes / 2)));
    }
    for (int64_t c = 0; c < weights.out_channels; ++c) {
      layer.bias.push_back(static_cast<int32_t>(random.below(2001)) - 1000);
    }
    const bool last = &wanted == &layers.back();
    network->activations.push_back({.name = wanted.name + "_out",
                                    .shape = {weights.out_channels, 3, 3},
                                    .bits = wanted.bits,
                                    .is_float = last});
    network->layers.push_back(std::move(layer));
  }
  return network;
}

}  // namespace flatenn::fault
