#include "engine/lanes/pools.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace flatenn::engine::lanes {
namespace {

/// The part of a pooling window that lies on the plane.
struct Window {
  int64_t top, bottom, left, right;  ///< Half open.
};

Window clipped(const PoolPlan& plan, const net::Shape& plane, int64_t y, int64_t x) {
  const int64_t top = y * plan.stride - plan.pad;
  const int64_t left = x * plan.stride - plan.pad;
  return {std::max<int64_t>(top, 0), std::min(top + plan.kernel, plane.height),
          std::max<int64_t>(left, 0), std::min(left + plan.kernel, plane.width)};
}

/// The sixteen bytes of one element stand four apart.
struct Lanes {
  int32_t v[kLanes];
};

template <typename Combine>
void over_window(const Window& window, const Layout& layout, const uint8_t* src, int64_t channel,
                 Lanes& lanes, const Combine& combine) {
  for (int64_t y = window.top; y < window.bottom; ++y) {
    for (int64_t x = window.left; x < window.right; ++x) {
      const uint8_t* at = src + Layout::byte(layout.element(y, x) + channel, 0);
      for (int i = 0; i < kLanes; ++i) lanes.v[i] = combine(lanes.v[i], int32_t{at[4 * i]});
    }
  }
}

void pool_element(const PoolPlan& plan, const Layout& src_layout, const uint8_t* src,
                  const Layout& dst_layout, uint8_t* dst, const Window& window, int64_t channel,
                  int64_t dst_element) {
  uint8_t* out = dst + Layout::byte(dst_element + channel, 0);
  Lanes lanes{};
  if (!plan.average) {
    over_window(window, src_layout, src, channel, lanes,
                [](int32_t a, int32_t b) { return std::max(a, b); });
    for (int i = 0; i < kLanes; ++i) out[4 * i] = static_cast<uint8_t>(lanes.v[i]);
    return;
  }
  over_window(window, src_layout, src, channel, lanes, [](int32_t a, int32_t b) { return a + b; });
  const int64_t zero = src_layout.zero * plan.kernel * plan.kernel;
  for (int i = 0; i < kLanes; ++i) {
    const float y = static_cast<float>(lanes.v[i] - static_cast<int32_t>(zero)) * plan.multiplier;
    const float code = std::nearbyint(std::min(std::max(y, plan.low), plan.high));
    out[4 * i] = static_cast<uint8_t>(static_cast<int>(code) + dst_layout.zero);
  }
}

/// Maxima of whole vectors, where pixels start at vectors.
void max_vectors(const Window& window, const Layout& layout, const uint8_t* src, uint8_t* out) {
  const int64_t bytes = layout.shape.channels / 4 * kVectorBytes;
  std::memset(out, 0, static_cast<size_t>(bytes));
  for (int64_t y = window.top; y < window.bottom; ++y) {
    for (int64_t x = window.left; x < window.right; ++x) {
      const uint8_t* at = src + Layout::byte(layout.element(y, x), 0);
      for (int64_t i = 0; i < bytes; ++i) out[i] = std::max(out[i], at[i]);
    }
  }
}

}  // namespace

PoolPlan make_pool_plan(const net::Network& network, int64_t index) {
  const net::Layer& layer = network.layers[static_cast<size_t>(index)];
  const net::Activation& dst = network.activations[static_cast<size_t>(layer.dst)];
  return {.layer = index,
          .average = layer.kind == net::LayerKind::kAvgPool,
          .kernel = layer.kernel(),
          .stride = layer.stride(),
          .pad = layer.pad(),
          .multiplier = net::pool_multiplier(network, layer),
          .low = static_cast<float>(dst.min_code()),
          .high = static_cast<float>(dst.max_code())};
}

void run_pool(const PoolPlan& plan, const Layout& src_layout, const uint8_t* src,
              const Layout& dst_layout, uint8_t* dst) {
  const net::Shape& out = dst_layout.shape;
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      const Window window = clipped(plan, src_layout.shape, y, x);
      const int64_t element = dst_layout.element(y, x);
      if (!plan.average && out.channels % 4 == 0) {
        max_vectors(window, src_layout, src, dst + Layout::byte(element, 0));
        continue;
      }
      for (int64_t channel = 0; channel < out.channels; ++channel) {
        pool_element(plan, src_layout, src, dst_layout, dst, window, channel, element);
      }
    }
  }
}

}  // namespace flatenn::engine::lanes
