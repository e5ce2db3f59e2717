#pragma once

#include <memory>
#include <optional>

#include "engine/isa.h"
#include "flatenn/engine/engine.h"

namespace flatenn::engine {

struct GeneralOptions {
  int64_t threads = 0;         ///< 0: all cores.
  Isa isa = best_isa();        ///< Own kernels use no more.
  int64_t chunk_images = 0;    ///< 0: chosen by size.
  int64_t trials_a_chunk = 0;  ///< 0: chosen by size.
};

/// Own kernels for any layer kind: zero points, grouped and dilated convolutions, sums, products,
/// tables. Every product is exact, in 16-bit words or, with VNNI, in bytes.
std::unique_ptr<Engine> make_general_engine(std::shared_ptr<const net::Network> network,
                                            std::shared_ptr<const ImageCodes> images,
                                            const GeneralOptions& options);

}  // namespace flatenn::engine
