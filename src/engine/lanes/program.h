#pragma once

#include <limits>
#include <variant>
#include <vector>

#include "engine/lanes/plan.h"
#include "engine/lanes/pools.h"
#include "engine/lanes/tiled.h"
#include "engine/lanes/winograd.h"

namespace flatenn::engine::lanes {

/// A layer, or a layer with the max-pool that follows it.
using Step = std::variant<LayerPlan, WinogradPlan, TiledPlan, PoolPlan>;
int64_t layer_of(const Step& step);
/// The activation it writes; -1 for logits.
int64_t dst_of(const Step& step, const net::Network& network);

/// How a network is run on chunks of `lane_groups` * 16 images.
struct Program {
  std::vector<Step> fused;  ///< Max-pools inside the layers before them where possible.
  std::vector<Step> plain;  ///< One step a layer: every activation is written.
};
/// What a convolution has to read, by tiles also write, to be run so; tiles come first.
struct FewestChannels {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  int64_t winograd = kNever;
  int64_t tiles = kNever;
};
Program make_program(const net::Network& network, const std::vector<Layout>& layouts,
                     int64_t lane_groups, const FewestChannels& fewest);

}  // namespace flatenn::engine::lanes
