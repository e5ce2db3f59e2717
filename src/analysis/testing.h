#pragma once

#include "flatenn/net/network.h"

namespace flatenn::analysis {

/// One 3 x 3 convolution (1 channel in, 2 out, padding 1, 4-bit weights and input) on a 3 x 3 map,
/// whose output is the logits: small enough to work by hand.
inline net::Network testing_conv_network() {
  net::Network network;
  network.name = "hand";
  network.activations = {
      {.name = "image", .shape = {1, 3, 3}, .bits = 4, .is_signed = false, .scale = 1},
      {.name = "logits", .shape = {2, 3, 3}, .is_float = true}};
  net::Layer layer;
  layer.name = "conv";
  layer.kind = net::LayerKind::kConv;
  layer.src = 0;
  layer.dst = 1;
  layer.window.set_pad(1);
  layer.weights = {.out_channels = 2,
                   .in_channels = 1,
                   .kernel_height = 3,
                   .kernel_width = 3,
                   .bits = 4,
                   .codes = std::vector<int8_t>(18, 1),
                   .scales = {1.0F}};
  layer.bias = {0, 0};
  network.layers = {layer};
  return network;
}

}  // namespace flatenn::analysis
