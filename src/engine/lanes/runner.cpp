#include "engine/lanes/runner.h"

#include <algorithm>
#include <cmath>

#include "engine/arithmetic.h"

namespace flatenn::engine::lanes {
namespace {

/// With tile registers in memory.
TileDot emulated_tile_dot(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512Vnni) return tile_dot_avx512vnni;
#endif
  static_cast<void>(isa);
  return tile_dot_portable;
}

const Kernels kKernels[] = {
#if defined(__x86_64__)
    {Isa::kAmx, "amx", dot_u8s8s32_avx512vnni, requantize_s32u8_avx512vnni, peak_u8s8s32_amx,
     winograd_input_avx512vnni, winograd_output_avx512vnni, tile_dot_amx, use_tiles_amx},
#endif
#define FLATENN_LANES_KERNEL(isa, name) \
  {isa,                                 \
   #name,                               \
   dot_u8s8s32_##name,                  \
   requantize_s32u8_##name,             \
   peak_u8s8s32_##name,                 \
   winograd_input_##name,               \
   winograd_output_##name,              \
   emulated_tile_dot(isa),              \
   use_tiles_portable},
#include "engine/kernels/lanes/kernels.inc"
#undef FLATENN_LANES_KERNEL
};

}  // namespace

const Kernels& kernels_for(Isa isa) {
  for (const Kernels& kernels : kKernels) {
    if (kernels.isa <= isa) return kernels;
  }
  return kKernels[std::size(kKernels) - 1];
}

Runner::Runner(const net::Network& network, const std::vector<Layout>& layouts,
               const Kernels& kernels)
    : network_(network), layouts_(layouts), kernels_(kernels), constants_(network.layers.size()) {
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const net::Layer& layer = network.layers[i];
    if (!layer.multiplies()) continue;
    const net::Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
    constants_[i] = {.multiplier = net::multipliers(network, layer),
                     .skip_multiplier = net::skip_multiplier(network, layer),
                     .low = static_cast<float>(layer.relu ? 0 : dst.min_code()),
                     .high = static_cast<float>(dst.max_code())};
  }
}

void Runner::run(const Step& step, const NetworkWeights& weights, const StepBuffers& buffers,
                 int64_t lane_groups, Scratch& scratch) const {
  if (const auto* pool = std::get_if<PoolPlan>(&step)) {
    run_pool_step(*pool, buffers, lane_groups);
  } else if (const auto* plan = std::get_if<LayerPlan>(&step)) {
    run_layer(*plan, weights[plan->layer], buffers, lane_groups, scratch.acc.data());
  } else {
    const net::Layer& layer = network_.layers[static_cast<size_t>(layer_of(step))];
    for (int64_t group = 0; group < lane_groups; ++group) {
      const StepBuffers at = at_group(buffers, layer, layer.dst, group);
      if (const auto* winograd = std::get_if<WinogradPlan>(&step)) {
        run_winograd(*winograd, weights[winograd->layer], at, scratch);
      } else {
        const auto& tiled = std::get<TiledPlan>(step);
        run_tiled(tiled, weights[tiled.layer], at, scratch);
      }
    }
  }
}

void Runner::run_pool_step(const PoolPlan& pool, const StepBuffers& buffers,
                           int64_t lane_groups) const {
  const net::Layer& layer = network_.layers[static_cast<size_t>(pool.layer)];
  const Layout& src = layouts_[static_cast<size_t>(layer.src)];
  const Layout& dst = layouts_[static_cast<size_t>(layer.dst)];
  for (int64_t group = 0; group < lane_groups; ++group) {
    run_pool(pool, src, buffers.src + group * src.bytes, dst, buffers.dst + group * dst.bytes);
  }
}

/// The buffers of one lane group; `dst` is the activation that buffers.dst holds.
StepBuffers Runner::at_group(const StepBuffers& buffers, const net::Layer& layer, int64_t dst,
                             int64_t group) const {
  const auto bytes = [&](int64_t activation) {
    return layouts_[static_cast<size_t>(activation)].bytes;
  };
  StepBuffers at = buffers;
  at.src += group * bytes(layer.src);
  if (at.skip != nullptr) at.skip += group * bytes(layer.skip);
  if (at.dst != nullptr) at.dst += group * bytes(dst);
  if (at.logits != nullptr) at.logits += group * kLanes * network_.classes();
  return at;
}

void Runner::run_layer(const LayerPlan& plan, const LayerWeights& weights,
                       const StepBuffers& buffers, int64_t lane_groups, int32_t* acc) const {
  const net::Layer& layer = network_.layers[static_cast<size_t>(plan.layer)];
  for (int64_t group = 0; group < lane_groups; group += plan.lane_groups) {
    const StepBuffers at = at_group(buffers, layer, plan.dst, group);
    for (int64_t row = 0; row < plan.out_rows; row += plan.band_rows) {
      const bool last = row + plan.band_rows > plan.out_rows;
      run_band(plan, weights, plan.bands[last ? 1 : 0], row, at, acc);
    }
  }
}

void Runner::run_winograd(const WinogradPlan& plan, const LayerWeights& weights,
                          const StepBuffers& buffers, Scratch& scratch) const {
  const Layout& src = layouts_[static_cast<size_t>(plan.src)];
  const std::span<const Block> blocks(plan.blocks);
  const auto all = static_cast<int64_t>(plan.tiles.size());
  for (int64_t first = 0; first < all; first += plan.band_tiles) {
    const int64_t tiles = std::min(plan.band_tiles, all - first);
    kernels_.winograd_input({.src = buffers.src,
                             .tiles = plan.tiles.data() + first,
                             .tile_count = tiles,
                             .row_bytes = src.row_vectors * kVectorBytes,
                             .pixel_bytes = plan.vectors() * kVectorBytes,
                             .vectors = plan.vectors(),
                             .dst = scratch.transformed->data(),
                             .place_bytes = tiles * plan.vectors() * kVectorBytes});
    for (size_t b = 0; b < blocks.size(); b += WinogradPlan::kTogether) {
      const size_t count = std::min<size_t>(WinogradPlan::kTogether, blocks.size() - b);
      run_winograd_blocks(plan, weights, blocks.subspan(b, count), first, tiles, buffers, scratch);
    }
  }
}

/// scratch.acc: [blocks][channels of a block][places][tiles][lanes].
void Runner::sum_winograd_blocks(const WinogradPlan& plan, const LayerWeights& weights,
                                 std::span<const Block> blocks, int64_t tiles,
                                 Scratch& scratch) const {
  const int64_t acc_stride = kWinogradPlaces * tiles * kLanes;
  const int64_t place_bytes = tiles * plan.vectors() * kVectorBytes;
  const Segment segment{.vectors = plan.vectors()};
  for (int64_t place = 0; place < kWinogradPlaces; ++place) {
    int32_t* acc = scratch.acc.data() + place * tiles * kLanes;
    for (const Block& block : blocks) {
      const int64_t init = place * plan.out_channels + block.first;
      kernels_.dot({.src = scratch.transformed->data() + place * place_bytes,
                    .offsets = plan.offsets.data(),
                    .slots = plan.slots.data(),
                    .positions = tiles,
                    .segments = &segment,
                    .segment_count = 1,
                    .weights = &weights.packed[static_cast<size_t>(plan.packed(block, place))],
                    .init = &weights.init[static_cast<size_t>(init)],
                    .block = block.channels,
                    .acc = acc,
                    .acc_stride = acc_stride,
                    .wide = plan.wide});
      acc += kMaxBlock * acc_stride;
    }
  }
}

void Runner::run_winograd_blocks(const WinogradPlan& plan, const LayerWeights& weights,
                                 std::span<const Block> blocks, int64_t first_tile, int64_t tiles,
                                 const StepBuffers& buffers, Scratch& scratch) const {
  sum_winograd_blocks(plan, weights, blocks, tiles, scratch);
  const int64_t acc_stride = kWinogradPlaces * tiles * kLanes;
  const int64_t out_stride = 4 * tiles * kLanes;
  const int32_t* acc = scratch.acc.data();
  for (const Block& block : blocks) {
    kernels_.winograd_output({.acc = acc,
                              .acc_stride = acc_stride,
                              .block = block.channels,
                              .tile_count = tiles,
                              .out = scratch.outputs.data(),
                              .out_stride = out_stride});
    acc += kMaxBlock * acc_stride;
    requantize_outputs(plan, weights, block, {4 * first_tile, 4 * tiles},
                       {scratch.outputs.data(), out_stride}, buffers);
  }
}

void Runner::requantize_outputs(const UnpooledPlan& plan, const LayerWeights& weights,
                                const Block& block, const Outputs& outputs, const Sums& sums,
                                const StepBuffers& buffers) const {
  RequantizeArgs args =
      requantize_args(constants_[static_cast<size_t>(plan.layer)], weights, block);
  args.acc = sums.acc;
  args.acc_stride = sums.stride;
  args.outputs = outputs.count;
  args.windows = plan.slots.data();
  args.dst = buffers.dst;
  args.dst_elements = plan.dst_elements.data() + outputs.first;
  args.dst_first = block.first;
  args.dst_zero = layouts_[static_cast<size_t>(plan.dst)].zero;
  if (plan.skip >= 0) {
    args.skip = buffers.skip;
    args.skip_elements = plan.skip_elements.data() + outputs.first;
    args.skip_first = block.first;
    args.skip_zero = layouts_[static_cast<size_t>(plan.skip)].zero;
  }
  kernels_.requantize(args);
}

/// What does not depend on where sums and codes are.
RequantizeArgs Runner::requantize_args(const LayerConstants& constants, const LayerWeights& weights,
                                       const Block& block) {
  return {.block = block.channels,
          .bias = &weights.bias[static_cast<size_t>(block.first)],
          .multiplier = &constants.multiplier[static_cast<size_t>(block.first)],
          .low = constants.low,
          .high = constants.high,
          .skip_multiplier = constants.skip_multiplier};
}

void Runner::run_band(const LayerPlan& plan, const LayerWeights& weights, const Band& band,
                      int64_t first_row, const StepBuffers& buffers, int32_t* acc) const {
  const int64_t index = first_row / plan.band_rows;
  const LayerConstants& constants = constants_[static_cast<size_t>(plan.layer)];
  for (size_t b = 0; b < plan.blocks.size(); ++b) {
    const Block& block = plan.blocks[b];
    sum_block(plan, weights, band, b, buffers.src + index * plan.src_band_bytes, acc);
    if (buffers.dst == nullptr) {
      write_logits(plan, weights, band, block, first_row, buffers, acc);
      continue;
    }
    RequantizeArgs args = requantize_args(constants, weights, block);
    args.acc = acc;
    args.acc_stride = band.slots * kLanes;
    args.outputs = static_cast<int64_t>(band.dst_elements.size());
    args.windows = band.pooled.data();
    args.window = plan.pool * plan.pool;
    args.dst_zero = layouts_[static_cast<size_t>(plan.dst)].zero;
    args.dst = buffers.dst;
    args.dst_elements = band.dst_elements.data();
    args.dst_first = index * plan.dst_band_elements + block.first;
    if (plan.skip >= 0) {
      args.skip = buffers.skip;
      args.skip_elements = band.skip_elements.data();
      args.skip_first = index * plan.skip_band_elements + block.first;
      args.skip_zero = layouts_[static_cast<size_t>(plan.skip)].zero;
    }
    kernels_.requantize(args);
  }
}

void Runner::sum_block(const LayerPlan& plan, const LayerWeights& weights, const Band& band,
                       size_t b, const uint8_t* src, int32_t* acc) const {
  const Block& block = plan.blocks[b];
  const auto group = static_cast<size_t>(block.group);
  for (size_t p = 0; p < 4; ++p) {
    const Windows& windows = band.windows[group][p];
    if (windows.offsets.empty()) continue;
    const Phase& phase = plan.phases[group][p];
    kernels_.dot({.src = src,
                  .offsets = windows.offsets.data(),
                  .slots = windows.slots.data(),
                  .positions = static_cast<int64_t>(windows.offsets.size()),
                  .segments = phase.segments.data(),
                  .segment_count = static_cast<int64_t>(phase.segments.size()),
                  .weights = &weights.packed[static_cast<size_t>(plan.packed[b][p])],
                  .init = &weights.init[static_cast<size_t>(block.first)],
                  .block = block.channels,
                  .acc = acc,
                  .acc_stride = band.slots * kLanes,
                  .wide = plan.wide});
  }
}

void Runner::write_logits(const LayerPlan& plan, const LayerWeights& weights, const Band& band,
                          const Block& block, int64_t first_row, const StepBuffers& buffers,
                          const int32_t* acc) const {
  const net::Layer& layer = network_.layers[static_cast<size_t>(plan.layer)];
  const LayerConstants& constants = constants_[static_cast<size_t>(plan.layer)];
  const int64_t plane = plan.out_rows * plan.out_width;
  for (int64_t m = 0; m < block.channels; ++m) {
    const auto channel = static_cast<size_t>(block.first + m);
    for (int64_t slot = 0; slot < band.slots; ++slot) {
      const int64_t positions = band.rows * plan.out_width;
      const int64_t group = slot / positions;
      const int64_t at = first_row * plan.out_width + slot % positions;
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const int32_t sum = acc[(m * band.slots + slot) * kLanes + lane];
        float y = (static_cast<float>(sum) + weights.bias[channel]) * constants.multiplier[channel];
        if (plan.skip >= 0) {
          const Layout& skip = layouts_[static_cast<size_t>(plan.skip)];
          const int64_t element = group * (skip.bytes / 16) +
                                  skip.element(at / plan.out_width, at % plan.out_width) +
                                  block.first + m;
          const int code = buffers.skip[Layout::byte(element, lane)] - skip.zero;
          y = std::fma(static_cast<float>(code), constants.skip_multiplier, y);
        }
        if (layer.relu) y = rectified(y);
        const int64_t image = group * kLanes + lane;
        buffers.logits[image * network_.classes() + static_cast<int64_t>(channel) * plane + at] = y;
      }
    }
  }
}

}  // namespace flatenn::engine::lanes
