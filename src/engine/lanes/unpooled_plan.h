#pragma once

#include <cstdint>
#include <vector>

#include "engine/lanes/layout.h"
#include "flatenn/net/network.h"

namespace flatenn::engine::lanes {

/// What plans of a convolution without a pool behind it have in common: which layer it is, and
/// where its outputs and their skips stand.
struct UnpooledPlan {
  int64_t layer = 0;  ///< Index into Network::layers.
  int64_t src = 0;
  int64_t dst = 0;
  int64_t skip = -1;
  int64_t channels = 0;                ///< Read.
  int64_t out_channels = 0;            ///< Written.
  std::vector<int64_t> dst_elements;   ///< [outputs], in the order they are computed.
  std::vector<int64_t> skip_elements;  ///< [outputs]; empty without a skip.
  std::vector<int32_t> slots;          ///< [most outputs of a band]: 0, 1, ... vectors of sums

  void add_output(const std::vector<Layout>& layouts, int64_t y, int64_t x) {
    dst_elements.push_back(layouts[static_cast<size_t>(dst)].element(y, x));
    if (skip < 0) return;
    skip_elements.push_back(layouts[static_cast<size_t>(skip)].element(y, x));
  }
  /// `step`: vectors of sums from one output to the next.
  void set_band(int64_t outputs, int64_t step = 1) {
    for (int64_t i = 0; i < outputs; ++i) slots.push_back(static_cast<int32_t>(i * step));
  }
};

/// Without outputs and slots.
inline UnpooledPlan make_unpooled_plan(const net::Network& network, int64_t index) {
  const net::Layer& layer = network.layers[static_cast<size_t>(index)];
  UnpooledPlan plan;
  plan.layer = index;
  plan.src = layer.src;
  plan.dst = layer.dst;
  plan.skip = layer.skip;
  plan.channels = layer.weights.in_channels;
  plan.out_channels = layer.weights.out_channels;
  return plan;
}

}  // namespace flatenn::engine::lanes
