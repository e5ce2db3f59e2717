#pragma once

#include <cstdint>
#include <vector>

#include "engine/general/kernels.h"
#include "engine/general/plane.h"
#include "flatenn/net/network.h"

namespace flatenn::engine::general {

/// Buffers that one layer reads and writes.
template <class Store>
struct Operands {
  using Code = typename Store::Code;
  std::vector<const Code*> sources;  ///< In the order of Layer::inputs().
  Code* dst = nullptr;
  float* logits = nullptr;  ///< Instead of dst where the output is float: [images, classes].
};

/// The layers that multiply by no weights, for `images` images.
template <class Store>
void run_step(const Kernels<Store>& kernels, const net::Network& network, const net::Layer& layer,
              const std::vector<Plane>& planes, int64_t images, const Operands<Store>& operands);

}  // namespace flatenn::engine::general
