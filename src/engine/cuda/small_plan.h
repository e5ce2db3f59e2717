#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/cuda/requantize.h"
#include "engine/cuda/weight_layout.h"
#include "flatenn/net/network.h"

/// Networks so small that a block of threads runs all their layers on 16 images inside its shared
/// memory: chains of convolutions, linear layers and pools.
namespace flatenn::engine::cuda {

constexpr int kSmallImages = 16;  ///< A block's images: the rows of one matrix instruction.
constexpr int kSmallLayers = 16;  ///< At most; a launch carries their description.

/// Codes in shared memory: [image, y, x, channel], channels padded to a multiple of 4, with a
/// border of zeros as wide as the padding of the layer that reads them.
///
/// A one-channel image is kept as words: the four bytes at (y, x) are the codes at x to x + 3, so
/// that a matrix instruction reads four taps at once.
struct SmallTensor {
  int32_t offset = 0;  ///< Of image 0.
  int32_t channels = 0, height = 0, width = 0;
  int32_t pixel = 0, row = 0, image = 0;  ///< Strides in bytes.
  int32_t interior = 0;                   ///< Offset of pixel (0, 0) behind the border.
  int32_t bytes = 0;                      ///< Of all images.
};

enum class SmallKind : int32_t { kMatrix, kMaxPool, kAvgPool };

struct SmallLayer {
  SmallKind kind = SmallKind::kMatrix;
  SmallTensor src, dst;
  int32_t signed_src = 0;
  int32_t logits = 0;                       ///< Writes floats to global memory instead of dst.
  int32_t out_height = 1, out_width = 1;    ///< Of the convolution, before a fused pool.
  int32_t pooled = 0;                       ///< A 2 x 2 maximum follows and is taken on the sums.
  int32_t window = 1, stride = 1, pad = 0;  ///< Of pools; stride of convolutions too.
  int32_t k_steps = 0;                      ///< Of 32 bytes.
  int32_t channel_tiles = 0;                ///< Of 8.
  int32_t weights = 0;                      ///< Byte offset of the layer's fragments.
  int32_t factors = 0;                      ///< Index of the first channel factor.
  int32_t groups = 0;                       ///< Index of the first group offset.
  Requantize requantize;
};

/// Where a small network keeps a layer's weights: in the order in which the lanes of a warp load
/// the right-hand operand, [k step, tile of 8 channels, lane, 8 bytes]. K runs over groups of 4
/// bytes.
struct SmallWeightLayout {
  int64_t first_element = 0;
  int64_t offset = 0;
  int32_t in_channels = 1;
  int32_t taps = 1;
  int32_t kernel_width = 1;
  int32_t channel_tiles = 1;
  bool words = false;  ///< Groups are four taps of a row instead of four channels.
  bool odd_values = false;

  FLATENN_HOST_DEVICE int64_t position(int64_t element) const {
    const int64_t row = element / (in_channels * taps);
    const int64_t channel = element % (in_channels * taps) / taps;
    const int64_t tap = element % taps;
    const int64_t pieces = (kernel_width + 3) / 4;
    const int64_t group = words ? tap / kernel_width * pieces + tap % kernel_width / 4
                                : tap * ((in_channels + 3) / 4) + channel / 4;
    const int64_t byte = words ? tap % kernel_width % 4 : channel % 4;
    const int64_t lane = row % 8 * 4 + group % 4;
    const int64_t fragment = (group / 8 * channel_tiles + row / 8) * 32 + lane;
    return offset + fragment * 8 + group % 8 / 4 * 4 + byte;
  }
  FLATENN_HOST_DEVICE int8_t value(int32_t code) const {
    return static_cast<int8_t>(odd_values ? 2 * code + 1 : code);
  }
};

struct SmallPlan {
  std::vector<SmallLayer> layers;
  std::vector<SmallWeightLayout> weights;  ///< One a network layer.
  std::vector<int64_t> factor_of_layer;    ///< Index of a network layer's first channel factor.
  SmallTensor image;
  bool words = false;  ///< The image is kept as words.
  std::vector<int8_t> packed;
  std::vector<ChannelFactor> factors;
  std::vector<int32_t> group_offsets;  ///< Byte offset of each group from its pixel.
  int64_t shared_bytes = 0;
};

/// The images as the plan's first layer reads them, one after the other.
std::vector<uint8_t> place_images(const SmallPlan& plan, std::span<const int8_t> codes);

/// The plan, or nothing where the network is no chain, has another kind of layer or more of them,
/// or its activations do not fit into `shared_bytes`.
std::optional<SmallPlan> plan_small(const net::Network& network, int64_t shared_bytes);

}  // namespace flatenn::engine::cuda
