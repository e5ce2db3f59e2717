#pragma once

#include <cstdint>
#include <vector>

#include "engine/general/kernels.h"
#include "engine/general/plane.h"
#include "flatenn/net/network.h"

namespace flatenn::engine::general {

/// Buffers that one layer reads and writes.
struct Operands {
  std::vector<const int16_t*> sources;  ///< In the order of Layer::inputs().
  int16_t* dst = nullptr;
  float* logits = nullptr;  ///< Instead of dst where the output is float: [images, classes].
};

/// The layers that multiply by no weights, for `images` images.
void run_step(const Kernels& kernels, const net::Network& network, const net::Layer& layer,
              const std::vector<Plane>& planes, int64_t images, const Operands& operands);

}  // namespace flatenn::engine::general
