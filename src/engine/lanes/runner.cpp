#include "engine/lanes/runner.h"

#include <cmath>

#include "engine/arithmetic.h"

namespace flatenn::engine::lanes {
namespace {

const Kernels kKernels[] = {
#define FLATENN_LANES_KERNEL(isa, name) \
  {isa, #name, dot_u8s8s32_##name, requantize_s32u8_##name, peak_u8s8s32_##name},
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
                 int64_t lane_groups, int32_t* acc) const {
  if (const auto* plan = std::get_if<LayerPlan>(&step)) {
    run_layer(*plan, weights[plan->layer], buffers, lane_groups, acc);
    return;
  }
  const auto& pool = std::get<PoolPlan>(step);
  const net::Layer& layer = network_.layers[static_cast<size_t>(pool.layer)];
  const Layout& src = layouts_[static_cast<size_t>(layer.src)];
  const Layout& dst = layouts_[static_cast<size_t>(layer.dst)];
  for (int64_t group = 0; group < lane_groups; ++group) {
    run_pool(pool, src, buffers.src + group * src.bytes, dst, buffers.dst + group * dst.bytes);
  }
}

void Runner::run_layer(const LayerPlan& plan, const LayerWeights& weights,
                       const StepBuffers& buffers, int64_t lane_groups, int32_t* acc) const {
  const auto bytes = [&](int64_t activation) {
    return activation < 0 ? 0 : layouts_[static_cast<size_t>(activation)].bytes;
  };
  for (int64_t group = 0; group < lane_groups; group += plan.lane_groups) {
    StepBuffers at = buffers;
    at.src += group * bytes(plan.src);
    if (at.skip != nullptr) at.skip += group * bytes(plan.skip);
    if (at.dst != nullptr) at.dst += group * bytes(plan.dst);
    if (at.logits != nullptr) at.logits += group * kLanes * network_.classes();
    for (int64_t row = 0; row < plan.out_rows; row += plan.band_rows) {
      const bool last = row + plan.band_rows > plan.out_rows;
      run_band(plan, weights, plan.bands[last ? 1 : 0], row, at, acc);
    }
  }
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
    RequantizeArgs args{.acc = acc,
                        .acc_stride = band.slots * kLanes,
                        .block = block.channels,
                        .bias = &weights.bias[static_cast<size_t>(block.first)],
                        .multiplier = &constants.multiplier[static_cast<size_t>(block.first)],
                        .low = constants.low,
                        .high = constants.high,
                        .outputs = static_cast<int64_t>(band.dst_elements.size()),
                        .windows = band.pooled.data(),
                        .window = plan.pool * plan.pool,
                        .dst_zero = layouts_[static_cast<size_t>(plan.dst)].zero};
    args.dst = buffers.dst;
    args.dst_elements = band.dst_elements.data();
    args.dst_first = index * plan.dst_band_elements + block.first;
    if (plan.skip >= 0) {
      args.skip = buffers.skip;
      args.skip_elements = band.skip_elements.data();
      args.skip_first = index * plan.skip_band_elements + block.first;
      args.skip_multiplier = constants.skip_multiplier;
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
