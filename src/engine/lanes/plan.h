#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/lanes/layout.h"

namespace flatenn::engine::lanes {

/// A run of output channels that one kernel call computes.
struct Block {
  int64_t first = 0;
  int64_t channels = 0;
  int64_t group = 0;
};

/// Blocks of four fill whole vectors of the output; a rest of 5 or 6 goes as one.
std::vector<Block> make_blocks(int64_t out_channels, int64_t groups);
/// The block of every output channel.
std::vector<int32_t> blocks_of_channels(const std::vector<Block>& blocks);

/// A code times a weight, twice, may leave 16 bits above this.
inline constexpr int64_t kNarrowLimit = 32767;

/// How the windows that start at byte `phase` of a vector read their codes, and where the packed
/// weights for them begin.
struct Phase {
  bool used = false;
  std::vector<Segment> segments;
  std::vector<int64_t> first_vector;  ///< [segments]: vectors before it.
  int64_t vectors = 0;                ///< Over all segments.
};

/// Windows of a band, by the phase they start in.
struct Windows {
  std::vector<int64_t> offsets;  ///< Bytes from the band's first row of the source.
  std::vector<int32_t> slots;    ///< Accumulators.
};

/// Output rows computed together: the accumulators of one block over a band stay in L1.
struct Band {
  int64_t rows = 0;                             ///< Of the destination.
  int64_t slots = 0;                            ///< Accumulators a channel.
  std::vector<std::array<Windows, 4>> windows;  ///< [group][phase]
  std::vector<int32_t> pooled;                  ///< [outputs][pool * pool]
  std::vector<int64_t> dst_elements;            ///< [outputs], from the band's first row.
  std::vector<int64_t> skip_elements;
};

/// The window of a convolution; a linear layer is one whose kernel covers the plane, since both
/// walk codes in CHW order.
struct WindowShape {
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  int64_t channels = 1;  ///< Of one group.
  int64_t groups = 1;
  int64_t pixel_codes = 1;  ///< Channels of the source.
};

/// Everything about running one conv or linear layer that does not depend on weights, with the
/// max-pool that follows it where that is fused.
struct LayerPlan {
  int64_t layer = 0;  ///< Index into Network::layers.
  int64_t src = 0;
  int64_t dst = 0;  ///< The pool's where one is fused; -1 for logits.
  int64_t skip = -1;
  int64_t pool = 1;  ///< Window and stride of the fused max-pool.
  bool wide = false;
  WindowShape window;
  int64_t lane_groups = 1;  ///< Lane groups that one band covers.
  std::vector<Block> blocks;
  std::vector<int32_t> block_of;               ///< [output channels]
  std::vector<std::array<Phase, 4>> phases;    ///< [group]
  std::vector<std::array<int64_t, 4>> packed;  ///< [block]: int32 index of a phase's weights.
  int64_t packed_size = 0;                     ///< int32s in all.
  int64_t out_rows = 0;                        ///< Of the destination.
  int64_t out_width = 0;                       ///< Of the destination.
  int64_t band_rows = 0;
  std::vector<Band> bands;     ///< The full band, then the shorter last one where there is one.
  int64_t src_band_bytes = 0;  ///< From one band's first source row to the next one's.
  int64_t dst_band_elements = 0;
  int64_t skip_band_elements = 0;
  int64_t max_slots = 0;
};

/// Calls visit(byte) for every place in the packed weights (bytes from their start) that holds the
/// weight `element` (OIHW).
template <typename Visit>
void for_packed_bytes(const LayerPlan& plan, const WindowShape& w, int64_t element,
                      const Visit& visit) {
  const int64_t fan_in = w.channels * w.kernel_height * w.kernel_width;
  const int64_t out_channel = element / fan_in;
  const int64_t in_filter = element % fan_in;
  const int64_t kx = in_filter % w.kernel_width;
  const int64_t ky = in_filter / w.kernel_width % w.kernel_height;
  const int64_t channel = in_filter / (w.kernel_width * w.kernel_height);
  const int64_t run = w.groups == 1 ? 0 : kx;
  const auto segment = static_cast<size_t>(w.groups == 1 ? ky : ky * w.kernel_width + kx);
  const auto at = static_cast<size_t>(plan.block_of[static_cast<size_t>(out_channel)]);
  const Block& block = plan.blocks[at];
  for (int64_t start = 0; start < 4; ++start) {
    const auto p = static_cast<size_t>(start);
    const Phase& phase = plan.phases[static_cast<size_t>(block.group)][p];
    if (!phase.used) continue;
    const int64_t code = (start + run * w.pixel_codes) % 4 + (kx - run) * w.pixel_codes + channel;
    const int64_t vector = phase.first_vector[segment] + code / 4;
    const int64_t word = plan.packed[at][p] + vector * block.channels + out_channel - block.first;
    visit(word * 4 + code % 4);
  }
}

/// `pool`: the max-pool to fuse, or null. `lane_groups`: of a chunk.
LayerPlan make_plan(const net::Network& network, const std::vector<Layout>& layouts, int64_t layer,
                    const net::Layer* pool, int64_t lane_groups);

}  // namespace flatenn::engine::lanes
