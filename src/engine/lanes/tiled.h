#pragma once

#include <cstdint>
#include <vector>

#include "engine/kernels/lanes/tiles.h"
#include "engine/lanes/layout.h"
#include "engine/lanes/unpooled_plan.h"
#include "flatenn/net/network.h"

namespace flatenn::engine::lanes {

/// Everything about running a convolution by products of tiles (kernels/lanes/tiles.h) that does
/// not depend on weights.
struct TiledPlan : UnpooledPlan {
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  std::vector<int64_t> steps;    ///< Bytes from a window's first vector.
  std::vector<int64_t> offsets;  ///< [outputs]: bytes from the source's start.

  /// Outputs and tiles of channels computed together: the sums of two such bands, the one that is
  /// summed and the one that is requantized, leave room in L1 for weights and codes.
  static constexpr int64_t kBandPositions = 8;
  static constexpr int64_t kTilesTogether = 2;
  /// Whether steps take 64 channels of one pixel each, the pixels of a window following one
  /// another: windows side by side then share most of what a range of steps reads. Otherwise a step
  /// takes 64 codes of a window's row.
  bool by_blocks() const { return channels % kVectorBytes == 0; }
  /// Unless by_blocks().
  int64_t steps_a_row() const { return static_cast<int64_t>(steps.size()) / kernel_height; }
  int64_t channel_tiles() const { return (out_channels + kTileRows - 1) / kTileRows; }
  /// Bytes of packed weights: [channel tile][step][16 channels][64].
  int64_t packed_bytes() const {
    return channel_tiles() * static_cast<int64_t>(steps.size()) * kTileBytes;
  }
  /// Of one band.
  static constexpr int64_t sum_words() {
    return kTilesTogether * kTileRows * kBandPositions * kLanes;
  }
};

/// Whether the layer is a convolution of whole vectors of unsigned codes.
bool tiles_fit(const net::Network& network, const net::Layer& layer);
/// Throws nothing; tiles_fit() must hold.
TiledPlan make_tiled_plan(const net::Network& network, const std::vector<Layout>& layouts,
                          int64_t layer);

/// The byte of the packed weights that holds the weight `element` (OIHW).
int64_t tiled_byte(const TiledPlan& plan, int64_t element);

}  // namespace flatenn::engine::lanes
