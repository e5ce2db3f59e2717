#pragma once

#include <cstdint>
#include <vector>

#include "engine/cuda/conv_tile.h"
#include "engine/cuda/requantize.h"
#include "engine/cuda/weight_layout.h"
#include "flatenn/net/network.h"

/// What the layered engine does for a network, decided on the host without a device.
namespace flatenn::engine::cuda {

enum class StepKind {
  kPixels,      ///< The image's codes, NCHW, to NHWC with padded channels.
  kColumns,     ///< The same to one row of kernel window an output pixel.
  kConvTile,    ///< Tensor cores.
  kConvDirect,  ///< One thread an output: groups, odd cases, other cards.
  kMaxPool,
  kAvgPool,
};

/// Codes of one activation: [image, y, x, channel], channels padded to `pitch`. Tensor i holds
/// activation i; columns of the image follow behind.
struct Tensor {
  net::Shape shape;
  int64_t pitch = 0;  ///< Bytes a pixel, a multiple of 16.
  bool is_signed = false;
  int bits = 8;
  int64_t producer = -1;  ///< The step that writes it; -1: nobody.
  int64_t last_use = -1;  ///< The last step that reads it.
  int64_t scratch = 0;    ///< Offset an image within the scratch memory.

  int64_t bytes() const { return shape.height * shape.width * pitch; }
};

struct Step {
  StepKind kind = StepKind::kConvTile;
  int64_t layer = -1;  ///< Index into Network::layers; of kColumns the layer it serves; else -1.
  int64_t src = -1;    ///< Tensors. kPixels and kColumns read the image's codes.
  int64_t dst = -1;    ///< -1: logits.
  int64_t skip = -1;
  ConvTileVariant variant{};
  int tile_x = 1, tile_y = 1, tile_n = 1;
  int taps = 1, kernel_width = 1, units = 1, stride = 1, pad = 0;
  Requantize requantize{};
  int64_t first_factor = 0;  ///< Index of the layer's first channel factor.
};

struct LayeredPlan {
  std::vector<Tensor> tensors;
  std::vector<Step> steps;
  std::vector<WeightLayout> weights;   ///< One a layer; empty ones for pools.
  std::vector<int64_t> step_of_layer;  ///< Index into steps.
  int64_t weight_bytes = 0;
  std::vector<ChannelFactor> factors;  ///< Fault-free, padded to whole tiles.
  int64_t scratch_bytes = 0;           ///< An image.
};

/// `tile_kernels`: whether the card has Hopper's matrix instructions.
LayeredPlan plan_layers(const net::Network& network, bool tile_kernels);

/// The weights in the plan's layout, zeros in between.
std::vector<int8_t> pack_weights(const net::Network& network, const LayeredPlan& plan);

}  // namespace flatenn::engine::cuda
