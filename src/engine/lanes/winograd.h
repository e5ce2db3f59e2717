#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/kernels/lanes/winograd.h"
#include "engine/lanes/plan.h"
#include "engine/lanes/unpooled_plan.h"

namespace flatenn::engine::lanes {

/// Everything about running a 3x3 convolution of stride 1 by Winograd's filtering that does not
/// depend on weights.
struct WinogradPlan : UnpooledPlan {  // outputs: [tiles][4]
  bool wide = false;
  std::vector<Block> blocks;
  std::vector<int32_t> block_of;  ///< [out_channels]
  std::vector<int64_t> tiles;     ///< Bytes from the source's start to its 4x4 codes.
  int64_t band_tiles = 0;         ///< Tiles computed together.
  std::vector<int64_t> offsets;   ///< [band_tiles]: among transformed codes of a place.

  int64_t vectors() const { return channels / 4; }
  /// int32s of packed weights: [block][place][vector][channel of the block].
  int64_t packed_size() const { return kWinogradPlaces * vectors() * out_channels; }
  int64_t packed(const Block& block, int64_t place) const {
    return kWinogradPlaces * vectors() * block.first + place * vectors() * block.channels;
  }
  /// Bytes of transformed codes of a band.
  int64_t transformed_bytes() const {
    return kWinogradPlaces * band_tiles * vectors() * kVectorBytes;
  }
  /// int32s of sums of the blocks that run together, and of their outputs.
  int64_t sum_words() const {
    return kTogether * kMaxBlock * kWinogradPlaces * band_tiles * kLanes;
  }
  int64_t output_words() const { return kMaxBlock * 4 * band_tiles * kLanes; }

  /// Blocks that read transformed codes of a place while they are in L1.
  static constexpr int64_t kTogether = 2;
};

/// Whether transformed codes and weights fit bytes whatever the codes are, and tiles fill the
/// plane.
bool winograd_fits(const net::Network& network, const net::Layer& layer);
/// Throws nothing; winograd_fits() must hold.
WinogradPlan make_winograd_plan(const net::Network& network, const std::vector<Layout>& layouts,
                                int64_t layer);

/// 2 G: what a filter's row or column k adds to the four places of a transformed one. Filters so
/// transformed on both sides are 4 times G g G^T.
inline constexpr std::array<std::array<int8_t, 3>, 4> kFilterTransform{
    {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}}};

/// Calls visit(byte, place, coefficient) for every byte of the packed weights that the weight
/// `element` (OIHW) has a share in.
template <typename Visit>
void for_winograd_bytes(const WinogradPlan& plan, int64_t element, const Visit& visit) {
  const int64_t kx = element % 3;
  const int64_t ky = element / 3 % 3;
  const int64_t channel = element / 9 % plan.channels;
  const int64_t out_channel = element / 9 / plan.channels;
  const Block& block =
      plan.blocks[static_cast<size_t>(plan.block_of[static_cast<size_t>(out_channel)])];
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 4; ++j) {
      const int coefficient = kFilterTransform[static_cast<size_t>(i)][static_cast<size_t>(ky)] *
                              kFilterTransform[static_cast<size_t>(j)][static_cast<size_t>(kx)];
      if (coefficient == 0) continue;
      const int64_t place = 4 * i + j;
      const int64_t word =
          plan.packed(block, place) + channel / 4 * block.channels + out_channel - block.first;
      visit(word * 4 + channel % 4, place, coefficient);
    }
  }
}

}  // namespace flatenn::engine::lanes
