#include "engine/lanes/tiled.h"

namespace flatenn::engine::lanes {
namespace {

int64_t row_codes(const TiledPlan& plan) { return plan.kernel_width * plan.channels; }

void add_steps(TiledPlan& plan, const Layout& src) {
  const auto add = [&](int64_t ky, int64_t code) {
    plan.steps.push_back((ky * src.row_vectors + code / 4) * kVectorBytes);
  };
  if (plan.by_blocks()) {
    for (int64_t channel = 0; channel < plan.channels; channel += kVectorBytes) {
      for (int64_t ky = 0; ky < plan.kernel_height; ++ky) {
        for (int64_t kx = 0; kx < plan.kernel_width; ++kx) add(ky, kx * plan.channels + channel);
      }
    }
  } else {
    for (int64_t ky = 0; ky < plan.kernel_height; ++ky) {
      for (int64_t code = 0; code < row_codes(plan); code += kVectorBytes) add(ky, code);
    }
  }
}

}  // namespace

bool tiles_fit(const net::Network& network, const net::Layer& layer) {
  if (layer.kind != net::LayerKind::kConv || layer.groups != 1) return false;
  return layer.weights.in_channels % 4 == 0 &&
         !network.activations[static_cast<size_t>(layer.src)].is_signed &&
         !network.activations[static_cast<size_t>(layer.dst)].is_float;
}

TiledPlan make_tiled_plan(const net::Network& network, const std::vector<Layout>& layouts,
                          int64_t index) {
  const net::Layer& layer = network.layers[static_cast<size_t>(index)];
  const Layout& src = layouts[static_cast<size_t>(layer.src)];
  const Layout& dst = layouts[static_cast<size_t>(layer.dst)];
  TiledPlan plan{make_unpooled_plan(network, index)};
  plan.kernel_height = layer.weights.kernel_height;
  plan.kernel_width = layer.weights.kernel_width;
  add_steps(plan, src);
  for (int64_t y = 0; y < dst.shape.height; ++y) {
    for (int64_t x = 0; x < dst.shape.width; ++x) {
      const int64_t first =
          src.element(y * layer.stride() - layer.pad(), x * layer.stride() - layer.pad());
      plan.offsets.push_back(Layout::byte(first, 0));
      plan.add_output(layouts, y, x);
    }
  }
  plan.set_band(TiledPlan::kBandPositions, kTileRows);
  return plan;
}

int64_t tiled_byte(const TiledPlan& plan, int64_t element) {
  const int64_t kx = element % plan.kernel_width;
  const int64_t ky = element / plan.kernel_width % plan.kernel_height;
  const int64_t in_filter = element / (plan.kernel_width * plan.kernel_height);
  const int64_t channel = in_filter % plan.channels;
  const int64_t out_channel = in_filter / plan.channels;
  const int64_t code = plan.by_blocks() ? channel : kx * plan.channels + channel;
  const int64_t step =
      plan.by_blocks() ? (channel / kVectorBytes * plan.kernel_height + ky) * plan.kernel_width + kx
                       : ky * plan.steps_a_row() + code / kVectorBytes;
  const int64_t tile = out_channel / kTileRows * static_cast<int64_t>(plan.steps.size()) + step;
  return (tile * kTileRows + out_channel % kTileRows) * kVectorBytes + code % kVectorBytes;
}

}  // namespace flatenn::engine::lanes
