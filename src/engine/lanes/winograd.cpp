#include "engine/lanes/winograd.h"

#include <algorithm>

namespace flatenn::engine::lanes {
namespace {

/// Transformed codes of a band share a core's L2 cache with activations and sums.
constexpr int64_t kTransformedBytes = 256 * 1024;
/// Tiles that fill a register tile of four channels.
constexpr int64_t kTileStep = 6;
constexpr int64_t kMostTiles = 12;
/// A transformed code is a sum of four codes at most, a transformed weight one of nine.
constexpr int kCodeGrowth = 4;
constexpr int kWeightGrowth = 9;

int largest_value(const net::Weights& weights) {
  const int low = weights.value(static_cast<int8_t>(-(1 << (weights.bits - 1))));
  const int high = weights.value(static_cast<int8_t>((1 << (weights.bits - 1)) - 1));
  return std::max(-low, high);
}

int64_t choose_band(const WinogradPlan& plan) {
  const int64_t tile_bytes = kWinogradPlaces * plan.vectors() * kVectorBytes;
  const int64_t fit = kTransformedBytes / tile_bytes / kTileStep * kTileStep;
  const auto tiles = static_cast<int64_t>(plan.tiles.size());
  return std::min(tiles, std::clamp(fit, kTileStep, kMostTiles));
}

}  // namespace

bool winograd_fits(const net::Network& network, const net::Layer& layer) {
  if (layer.kind != net::LayerKind::kConv) return false;
  const net::Activation& src = network.activations[static_cast<size_t>(layer.src)];
  const net::Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
  const net::Weights& w = layer.weights;
  const bool shape = w.kernel_height == 3 && w.kernel_width == 3 && layer.stride() == 1 &&
                     layer.groups == 1 && w.in_channels % 4 == 0 && dst.shape.height % 2 == 0 &&
                     dst.shape.width % 2 == 0;
  return shape && !src.is_signed && !dst.is_float && kCodeGrowth * src.max_code() <= INT8_MAX &&
         kWeightGrowth * largest_value(w) <= INT8_MAX;
}

WinogradPlan make_winograd_plan(const net::Network& network, const std::vector<Layout>& layouts,
                                int64_t index) {
  const net::Layer& layer = network.layers[static_cast<size_t>(index)];
  const Layout& src = layouts[static_cast<size_t>(layer.src)];
  const Layout& dst = layouts[static_cast<size_t>(layer.dst)];
  const int code = network.activations[static_cast<size_t>(layer.src)].max_code();
  WinogradPlan plan{make_unpooled_plan(network, index)};
  plan.wide =
      2 * (kWinogradOffset + kCodeGrowth * code) * kWeightGrowth * largest_value(layer.weights) >
      kNarrowLimit;
  plan.blocks = make_blocks(plan.out_channels, 1);
  plan.block_of = blocks_of_channels(plan.blocks);
  for (int64_t y = 0; y < dst.shape.height; y += 2) {
    for (int64_t x = 0; x < dst.shape.width; x += 2) {
      plan.tiles.push_back(Layout::byte(src.element(y - layer.pad(), x - layer.pad()), 0));
      for (int64_t output = 0; output < 4; ++output) {
        plan.add_output(layouts, y + output / 2, x + output % 2);
      }
    }
  }
  plan.band_tiles = choose_band(plan);
  for (int64_t t = 0; t < plan.band_tiles; ++t) {
    plan.offsets.push_back(t * plan.vectors() * kVectorBytes);
  }
  plan.set_band(4 * plan.band_tiles);
  return plan;
}

}  // namespace flatenn::engine::lanes
