#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/general/kernels.h"
#include "engine/general/plane.h"
#include "engine/kernels/general/general.h"
#include "flatenn/net/network.h"

namespace flatenn::engine::general {

/// The tiles of 2x2 outputs of a convolution that runs by F(2x2, 3x3); see winograd.h.
struct Tiles {
  int64_t image_tiles = 0;           ///< Of an image.
  int64_t panel = 0;                 ///< Tiles that all blocks pass over in turn.
  int64_t row = 0;                   ///< Of the source plane.
  int64_t channels = 0;              ///< Likewise: words of a pixel.
  std::vector<int32_t> src_offsets;  ///< [images of a chunk, tiles]
  std::vector<int32_t> pixels;       ///< [images of a chunk, tiles, 4]: of the output, or -1.
  std::vector<int32_t> places;       ///< [panel]: of a tile among the words of one place.
};

/// How one conv or linear layer runs through the kernels: an implicit matrix product over the
/// pixels of a chunk, for each group and block of output channels.
struct Product {
  bool depthwise = false;  ///< One input and one output channel a group.
  bool merged = false;     ///< A kernel row's pixels follow one another: one tap.
  int64_t groups = 1;      ///< 1 where depthwise.
  int64_t group_in = 0;    ///< Channels.
  int64_t group_out = 0;
  int64_t blocks = 0;                 ///< Of one group.
  int64_t pairs = 0;                  ///< Of one tap.
  std::vector<int32_t> taps;          ///< Of depthwise ones an even count.
  std::vector<int32_t> src_offsets;   ///< [images of a chunk, output pixels]
  std::vector<int32_t> dst_offsets;   ///< Likewise; of logits: into [images, classes].
  std::vector<int32_t> skip_offsets;  ///< Likewise; empty: no skip.
  int64_t image_pixels = 0;           ///< Output pixels of an image.
  int64_t panel = 0;                  ///< Pixels that all blocks pass over in turn.
  std::vector<float> multipliers;     ///< [groups, blocks, kBlock]
  float skip_multiplier = 0;
  float low = 0;
  float high = 0;
  std::optional<Tiles> tiles;            ///< Instead of taps, offsets of the source and panel.
  bool rounds_once = false;              ///< In fixed point.
  std::vector<net::FixedPoint> factors;  ///< [groups, blocks, kBlock]; empty: requantizes in float.

  int64_t tap_count() const { return static_cast<int64_t>(taps.size()); }
  /// Words of one block's weights.
  int64_t block_words() const {
    if (tiles) return kPlaces * pairs * 2 * kBlock;
    return depthwise ? tap_count() * kBlock : tap_count() * pairs * 2 * kBlock;
  }
  int64_t words() const { return groups * blocks * block_words(); }
  /// Place of an output channel among whole blocks.
  int64_t lane(int64_t channel) const {
    return channel / group_out * blocks * kBlock + channel % group_out;
  }
  /// Place of a weight (OIHW row-major) among the packed words; not with tiles.
  int64_t word(const net::Weights& weights, const Plane& src, bool linear, int64_t element) const;
};

/// `images`: of a full chunk.
Product make_product(const net::Network& network, const net::Layer& layer,
                     const std::vector<Plane>& planes, int64_t images);

/// Buffers and weights of one layer.
struct ProductOperands {
  const int16_t* src = nullptr;
  const int16_t* skip = nullptr;
  int16_t* dst = nullptr;
  float* logits = nullptr;  ///< Instead of dst.
  const int16_t* words = nullptr;
  const float* bias = nullptr;
  const int32_t* whole_bias = nullptr;
};
/// What becomes of a block's sums for the pixels from `first_pixel` on.
Output output_of(const Product& product, const ProductOperands& operands, int64_t group,
                 int64_t block, int64_t first_pixel);
void run_product(const Kernels& kernels, const Product& product, int64_t images,
                 const ProductOperands& operands);

}  // namespace flatenn::engine::general
