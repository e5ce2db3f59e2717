#include <algorithm>

#include "engine/lanes/runner.h"

namespace flatenn::engine::lanes {

/// Sums of one band are requantized while the next one's products run, so there are two halves of
/// scratch.acc.
void Runner::run_tiled(const TiledPlan& plan, const LayerWeights& weights,
                       const StepBuffers& buffers, Scratch& scratch) const {
  const auto outputs = static_cast<int64_t>(plan.offsets.size());
  const bool whole_vectors = plan.out_channels % 4 == 0;
  TileCodesArgs codes[2];
  const TileCodesArgs* behind = nullptr;
  kernels_.use_tiles(true);
  for (int64_t first = 0; first < outputs; first += TiledPlan::kBandPositions) {
    for (int64_t tile = 0; tile < plan.channel_tiles(); tile += TiledPlan::kTilesTogether) {
      const bool second = behind == &codes[0];
      const TileBand band = tile_band(plan, tile, first);
      int32_t* acc = scratch.acc.data() + (second ? TiledPlan::sum_words() : 0);
      sum_tile_band(plan, weights, band, buffers, behind, acc);
      if (whole_vectors) {
        codes[second] = tile_codes(plan, weights, band, buffers, acc);
        behind = &codes[second];
      } else {
        requantize_tiles(plan, weights, band, acc, buffers);
      }
    }
  }
  if (behind != nullptr) kernels_.tile_dot({.behind = behind});
  kernels_.use_tiles(false);
}

Runner::TileBand Runner::tile_band(const TiledPlan& plan, int64_t tile, int64_t first) {
  const int64_t tiles = std::min(TiledPlan::kTilesTogether, plan.channel_tiles() - tile);
  const int64_t channel = tile * kTileRows;
  return {.tile = tile,
          .tiles = tiles,
          .first = first,
          .outputs = std::min(TiledPlan::kBandPositions,
                              static_cast<int64_t>(plan.offsets.size()) - first),
          .channel = channel,
          .channels = std::min(tiles * kTileRows, plan.out_channels - channel)};
}

void Runner::sum_tile_band(const TiledPlan& plan, const LayerWeights& weights, const TileBand& band,
                           const StepBuffers& buffers, const TileCodesArgs* behind,
                           int32_t* acc) const {
  const auto steps = static_cast<int64_t>(plan.steps.size());
  const auto* packed = reinterpret_cast<const int8_t*>(weights.packed.data());
  kernels_.tile_dot({.src = buffers.src,
                     .offsets = plan.offsets.data() + band.first,
                     .positions = band.outputs,
                     .steps = plan.steps.data(),
                     .step_count = steps,
                     .weights = packed + band.tile * steps * kTileBytes,
                     .channel_tiles = band.tiles,
                     .acc = acc,
                     .behind = behind});
}

TileCodesArgs Runner::tile_codes(const TiledPlan& plan, const LayerWeights& weights,
                                 const TileBand& band, const StepBuffers& buffers,
                                 const int32_t* acc) const {
  const LayerConstants& constants = constants_[static_cast<size_t>(plan.layer)];
  const int64_t channel_bytes = band.channel / 4 * kVectorBytes;
  TileCodesArgs args{.acc = acc,
                     .outputs = band.outputs,
                     .channels = band.channels,
                     .bias = &weights.bias[static_cast<size_t>(band.channel)],
                     .multiplier = &constants.multiplier[static_cast<size_t>(band.channel)],
                     .low = constants.low,
                     .high = constants.high,
                     .dst = buffers.dst + channel_bytes,
                     .dst_elements = plan.dst_elements.data() + band.first,
                     .dst_zero = layouts_[static_cast<size_t>(plan.dst)].zero,
                     .skip_multiplier = constants.skip_multiplier};
  if (plan.skip >= 0) {
    args.skip = buffers.skip + channel_bytes;
    args.skip_elements = plan.skip_elements.data() + band.first;
    args.skip_zero = layouts_[static_cast<size_t>(plan.skip)].zero;
  }
  return args;
}

/// Channels that fill no whole vectors.
void Runner::requantize_tiles(const TiledPlan& plan, const LayerWeights& weights,
                              const TileBand& band, const int32_t* acc,
                              const StepBuffers& buffers) const {
  for (int64_t channel = 0; channel < band.channels; channel += kTileRows) {
    const Block block{.first = band.channel + channel,
                      .channels = std::min<int64_t>(kTileRows, band.channels - channel)};
    requantize_outputs(plan, weights, block, {band.first, band.outputs},
                       {acc + channel * band.outputs * kLanes, kLanes}, buffers);
  }
}

}  // namespace flatenn::engine::lanes
