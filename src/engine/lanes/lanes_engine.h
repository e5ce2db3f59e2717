#pragma once

#include <memory>
#include <optional>

#include "engine/isa.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine {

struct LanesOptions {
  int64_t threads = 0;      ///< 0: all cores.
  std::optional<Isa> isa;   ///< Nothing: best_isa().
  int64_t lane_groups = 0;  ///< Images of a chunk / 16; 0: chosen for the network.
  /// Fewest channels that a 3x3 convolution reads to be run by Winograd's filtering, where that is
  /// exact: below, its transforms cost what its products save.
  int64_t winograd_channels = 32;
  /// Fewest channels that a convolution reads and writes to be run by products of tiles, if `isa`
  /// has them or `emulate_tiles` is set: with fewer most of a tile is empty.
  int64_t tile_channels = 16;
  bool emulate_tiles = false;  ///< In plain loops; slow, for tests.
  int64_t trials_a_chunk = 0;  ///< Jobs that share a chunk's golden pass; 0: chosen.
};

/// Own kernels with images in SIMD lanes (see kernels/lanes/lanes.h). A chunk of images stays in
/// cache while several jobs run over it; layers before a job's first faulty one are computed once
/// for all of them. Nothing is allocated in the steady state.
std::unique_ptr<Engine> make_lanes_engine(std::shared_ptr<const net::Network> network,
                                          std::shared_ptr<const ImageCodes> images,
                                          const LanesOptions& options);

}  // namespace flatenn::engine
