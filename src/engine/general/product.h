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
  int64_t pack = 0;                   ///< Products that an instruction adds to a sum.
  int64_t packs = 0;                  ///< Of one tap; of depthwise ones: taps of one.
  int64_t parts = 1;                  ///< Weights a value is the sum of.
  std::vector<int32_t> taps;          ///< [parts, taps]; of depthwise ones whole packs.
  int64_t neighbour = 0;              ///< Of DepthwiseArgs.
  std::vector<int32_t> src_offsets;   ///< [images of a chunk, output pixels]
  std::vector<int32_t> dst_offsets;   ///< Likewise; of logits: into [images, classes].
  std::vector<int32_t> skip_offsets;  ///< Likewise; empty: no skip.
  int64_t image_pixels = 0;           ///< Output pixels of an image.
  int64_t panel = 0;                  ///< Pixels that all blocks pass over in turn.
  std::vector<float> multipliers;     ///< [groups, blocks, kBlock]
  float skip_multiplier = 0;
  float low = 0;  ///< Words.
  float high = 0;
  bool saturates = false;                ///< Of Output.
  int least = 0;                         ///< Word held as 0 by dst,
  int src_least = 0;                     ///< by the source
  int skip_least = 0;                    ///< and by the skip.
  std::optional<Tiles> tiles;            ///< Instead of taps, offsets of the source and panel.
  bool rounds_once = false;              ///< In fixed point.
  std::vector<net::FixedPoint> factors;  ///< [groups, blocks, kBlock]; empty: requantizes in float.

  int64_t tap_count() const { return static_cast<int64_t>(taps.size()); }
  /// Weights of one block.
  int64_t block_words() const {
    if (tiles) return kPlaces * packs * pack * kBlock;
    return depthwise ? tap_count() * kBlock : tap_count() * packs * pack * kBlock;
  }
  int64_t words() const { return groups * blocks * block_words(); }
  /// Place of an output channel among whole blocks.
  int64_t lane(int64_t channel) const {
    return channel / group_out * blocks * kBlock + channel % group_out;
  }
  /// Place of a weight's (OIHW row-major) first part among the packed ones; not with tiles.
  int64_t word(const net::Weights& weights, const Plane& src, bool linear, int64_t element) const;
  /// Between the parts of a weight.
  int64_t part_words() const { return block_words() / parts; }
};

/// `images`: of a full chunk.
template <class Store>
Product make_product(const net::Network& network, const net::Layer& layer,
                     const std::vector<Plane>& planes, int64_t images);

/// Buffers and weights of one layer.
template <class Store>
struct ProductOperands {
  const typename Store::Code* src = nullptr;
  const typename Store::Code* skip = nullptr;
  typename Store::Code* dst = nullptr;
  float* logits = nullptr;  ///< Instead of dst.
  const typename Store::Weight* words = nullptr;
  const int32_t* start = nullptr;  ///< As the others a value a lane.
  const float* bias = nullptr;
  const int32_t* whole_bias = nullptr;
};
/// What becomes of a block's sums for the pixels from `first_pixel` on.
template <class Store>
Output<Store> output_of(const Product& product, const ProductOperands<Store>& operands,
                        int64_t group, int64_t block, int64_t first_pixel);
template <class Store>
void run_product(const Kernels<Store>& kernels, const Product& product, int64_t images,
                 const ProductOperands<Store>& operands);

}  // namespace flatenn::engine::general
