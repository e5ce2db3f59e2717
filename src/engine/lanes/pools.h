#pragma once

#include "engine/lanes/layout.h"

namespace flatenn::engine::lanes {

/// A pooling layer over one lane group.
struct PoolPlan {
  int64_t layer = 0;
  bool average = false;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t pad = 0;
  float multiplier = 0;  ///< Of the sum, for averages.
  float low = 0;         ///< Codes of the destination.
  float high = 0;
};

PoolPlan make_pool_plan(const net::Network& network, int64_t layer);
void run_pool(const PoolPlan& plan, const Layout& src_layout, const uint8_t* src,
              const Layout& dst_layout, uint8_t* dst);

}  // namespace flatenn::engine::lanes
