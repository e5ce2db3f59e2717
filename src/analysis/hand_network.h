#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "flatenn/engine/engine.h"
#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// A 6-5-3 perceptron with 4-bit weights and codes, and eight images for it, all given by formulas
/// that hand_network_reference.py repeats in PyTorch: small enough for a dense Hessian.
inline std::shared_ptr<const net::Network> hand_network() {
  auto network = std::make_shared<net::Network>();
  network->name = "hand";
  network->activations = {
      {.name = "image", .shape = {6, 1, 1}, .bits = 8, .is_signed = true, .scale = 0.02F},
      {.name = "hidden", .shape = {5, 1, 1}, .bits = 4, .scale = 0.25F},
      {.name = "logits", .shape = {3, 1, 1}, .is_float = true}};
  const auto linear = [](const char* name, int64_t src, int64_t in, int64_t out, float scale) {
    net::Layer layer;
    layer.name = name;
    layer.kind = net::LayerKind::kLinear;
    layer.src = src;
    layer.dst = src + 1;
    layer.relu = src == 0;
    layer.weights = {.out_channels = out, .in_channels = in, .bits = 4, .scales = {scale}};
    for (int64_t i = 0; i < in * out; ++i) {
      layer.weights.codes.push_back(static_cast<int8_t>((7 * i + 3) % 15 - 7));
    }
    for (int64_t c = 0; c < out; ++c) layer.bias.push_back(static_cast<int32_t>(20 * c - 30));
    return layer;
  };
  network->layers = {linear("fc1", 0, 6, 5, 0.1F), linear("fc2", 1, 5, 3, 0.2F)};
  return network;
}

inline engine::ImageCodes hand_images() {
  engine::ImageCodes images{.shape = {6, 1, 1}, .count = 8, .codes = {}};
  for (int i = 0; i < 48; ++i) images.codes.push_back(static_cast<int8_t>((37 * i) % 201 - 100));
  return images;
}

inline std::vector<uint16_t> hand_labels() { return {0, 1, 2, 0, 1, 2, 0, 1}; }

}  // namespace flatenn::analysis
