#include "engine/lanes/plan.h"

#include <algorithm>

namespace flatenn::engine::lanes {
namespace {

/// Accumulators of a block over a band: 6 channels x 40 x 64 bytes stay within half of L1.
constexpr int64_t kBandSlots = 40;
/// Layers with fewer outputs an image take several lane groups at once, to fill register tiles.
constexpr int64_t kFewOutputs = 6;

WindowShape window_of(const net::Layer& layer, const Layout& src) {
  const net::Shape& plane = src.shape;
  if (layer.kind == net::LayerKind::kLinear) {
    return {plane.height, plane.width, plane.channels, 1, plane.channels};
  }
  return {layer.weights.kernel_height, layer.weights.kernel_width, layer.weights.in_channels,
          layer.groups, plane.channels};
}

/// Runs of consecutive codes in a window: whole rows, or single pixels where a group takes only
/// some channels.
int64_t runs_in_row(const WindowShape& w) { return w.groups == 1 ? 1 : w.kernel_width; }
int64_t run_length(const WindowShape& w) {
  return w.groups == 1 ? w.kernel_width * w.channels : w.channels;
}

Phase make_phase(const WindowShape& w, const Layout& src, int64_t start) {
  Phase phase{.used = true};
  for (int64_t ky = 0; ky < w.kernel_height; ++ky) {
    for (int64_t run = 0; run < runs_in_row(w); ++run) {
      const int64_t element = start + run * src.shape.channels;
      const Segment segment{
          .offset = (ky * src.row_vectors + element / 4) * kVectorBytes,
          .vectors = (element % 4 + run_length(w) + 3) / 4,
      };
      phase.segments.push_back(segment);
      phase.first_vector.push_back(phase.vectors);
      phase.vectors += segment.vectors;
    }
  }
  return phase;
}

class Planner {
 public:
  Planner(const net::Network& network, const std::vector<Layout>& layouts, int64_t layer,
          const net::Layer* pool, int64_t lane_groups)
      : layer_(network.layers[static_cast<size_t>(layer)]),
        src_(layouts[static_cast<size_t>(layer_.src)]),
        window_(window_of(layer_, src_)),
        pad_(layer_.kind == net::LayerKind::kLinear ? 0 : layer_.pad()),
        conv_width_(layouts[static_cast<size_t>(layer_.dst)].shape.width) {
    plan_.window = window_;
    plan_.layer = layer;
    plan_.src = layer_.src;
    plan_.pool = pool == nullptr ? 1 : pool->kernel();
    const int64_t dst = pool == nullptr ? layer_.dst : pool->dst;
    const net::Activation& out = network.activations[static_cast<size_t>(dst)];
    plan_.dst = out.is_float ? -1 : dst;
    dst_ = layouts[static_cast<size_t>(dst)];
    plan_.skip = layer_.skip;
    if (layer_.skip >= 0) skip_ = layouts[static_cast<size_t>(layer_.skip)];
    plan_.wide = is_wide(network);
    choose_bands(lane_groups);
  }

  LayerPlan make() {
    plan_.blocks = make_blocks(layer_.weights.out_channels, window_.groups);
    plan_.block_of = blocks_of_channels(plan_.blocks);
    make_phases();
    add_band(std::min(plan_.band_rows, plan_.out_rows));
    const int64_t rest = plan_.out_rows % plan_.band_rows;
    if (plan_.out_rows > plan_.band_rows && rest != 0) add_band(rest);
    lay_out_weights();
    return std::move(plan_);
  }

 private:
  int64_t window_element(int64_t group, int64_t y, int64_t x) const {
    return src_.element(y * layer_.stride() - pad_, x * layer_.stride() - pad_) +
           group * window_.channels;
  }

  /// Over all outputs, so that plans with and without a fused pool share packed weights. Rows start
  /// at whole vectors, so the phase depends on x alone.
  void make_phases() {
    plan_.phases.resize(static_cast<size_t>(window_.groups));
    for (int64_t group = 0; group < window_.groups; ++group) {
      for (int64_t x = 0; x < conv_width_; ++x) {
        const int64_t start = window_element(group, 0, x) % 4;
        Phase& phase = plan_.phases[static_cast<size_t>(group)][static_cast<size_t>(start)];
        if (!phase.used) phase = make_phase(window_, src_, start);
      }
    }
  }

  bool is_wide(const net::Network& network) const {
    const net::Activation& src = network.activations[static_cast<size_t>(layer_.src)];
    const net::Weights& w = layer_.weights;
    const int64_t code = src.is_signed ? 255 : src.max_code();
    const int64_t value = w.value_map == net::ValueMap::kCode ? int64_t{1} << (w.bits - 1)
                                                              : (int64_t{1} << w.bits) - 1;
    return 2 * code * value > kNarrowLimit;
  }

  void choose_bands(int64_t lane_groups) {
    const int64_t pooled_width = dst_.shape.width;
    plan_.out_rows = dst_.shape.height;
    plan_.out_width = dst_.shape.width;
    const int64_t slots_a_row = pooled_width * plan_.pool * plan_.pool;
    if (plan_.out_rows * slots_a_row < kFewOutputs) {
      plan_.lane_groups = lane_groups;
      plan_.band_rows = plan_.out_rows;
    } else {
      plan_.band_rows = std::clamp<int64_t>(kBandSlots / slots_a_row, 1, plan_.out_rows);
    }
    plan_.src_band_bytes =
        plan_.band_rows * plan_.pool * layer_.stride() * src_.row_vectors * kVectorBytes;
    plan_.dst_band_elements = plan_.band_rows * dst_.row_vectors * 4;
    plan_.skip_band_elements = plan_.band_rows * skip_.row_vectors * 4;
  }

  void add_band(int64_t rows) {
    Band band{.rows = rows};
    band.windows.resize(static_cast<size_t>(window_.groups));
    for (int64_t lane_group = 0; lane_group < plan_.lane_groups; ++lane_group) {
      for (int64_t y = 0; y < rows; ++y) {
        for (int64_t x = 0; x < dst_.shape.width; ++x) add_output(band, lane_group, y, x);
      }
    }
    plan_.max_slots = std::max(plan_.max_slots, band.slots);
    plan_.bands.push_back(std::move(band));
  }

  void add_output(Band& band, int64_t lane_group, int64_t y, int64_t x) {
    for (int64_t py = 0; py < plan_.pool; ++py) {
      for (int64_t px = 0; px < plan_.pool; ++px) {
        add_window(band, lane_group, y * plan_.pool + py, x * plan_.pool + px);
      }
    }
    const auto element = [&](const Layout& layout) {
      return lane_group * (layout.bytes / 16) + layout.element(y, x);
    };
    band.dst_elements.push_back(element(dst_));
    if (plan_.skip >= 0) band.skip_elements.push_back(element(skip_));
  }

  void add_window(Band& band, int64_t lane_group, int64_t y, int64_t x) {
    for (int64_t group = 0; group < window_.groups; ++group) {
      const int64_t element = src_.element(y * layer_.stride() - pad_, x * layer_.stride() - pad_) +
                              group * window_.channels;
      const auto phase = static_cast<size_t>(element % 4);
      Windows& windows = band.windows[static_cast<size_t>(group)][phase];
      windows.offsets.push_back(lane_group * src_.bytes + element / 4 * kVectorBytes);
      windows.slots.push_back(static_cast<int32_t>(band.slots));
    }
    band.pooled.push_back(static_cast<int32_t>(band.slots));
    ++band.slots;
  }

  void lay_out_weights() {
    for (const Block& block : plan_.blocks) {
      std::array<int64_t, 4> start{};
      for (size_t phase = 0; phase < 4; ++phase) {
        start[phase] = plan_.packed_size;
        plan_.packed_size +=
            plan_.phases[static_cast<size_t>(block.group)][phase].vectors * block.channels;
      }
      plan_.packed.push_back(start);
    }
  }

  const net::Layer& layer_;
  const Layout& src_;
  WindowShape window_;
  int64_t pad_;
  int64_t conv_width_;  ///< Before pooling.
  Layout dst_;
  Layout skip_;
  LayerPlan plan_;
};

}  // namespace

std::vector<Block> make_blocks(int64_t out_channels, int64_t groups) {
  std::vector<Block> blocks;
  const int64_t in_group = out_channels / groups;
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t at = 0; at < in_group;) {
      const int64_t left = in_group - at;
      const int64_t channels = left <= kMaxBlock && left != 4 ? left : 4;
      blocks.push_back({.first = group * in_group + at, .channels = channels, .group = group});
      at += channels;
    }
  }
  return blocks;
}

std::vector<int32_t> blocks_of_channels(const std::vector<Block>& blocks) {
  std::vector<int32_t> result;
  for (size_t b = 0; b < blocks.size(); ++b) {
    result.insert(result.end(), static_cast<size_t>(blocks[b].channels), static_cast<int32_t>(b));
  }
  return result;
}

LayerPlan make_plan(const net::Network& network, const std::vector<Layout>& layouts, int64_t layer,
                    const net::Layer* pool, int64_t lane_groups) {
  return Planner(network, layouts, layer, pool, lane_groups).make();
}

}  // namespace flatenn::engine::lanes
