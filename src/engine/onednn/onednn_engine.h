#pragma once

#include <memory>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// Products by oneDNN (int8 in, int32 out: AMX, AVX-512 VNNI, AVX2 as it finds them), everything
/// between them in plain loops, so that results are exact under every version of oneDNN. Changed
/// layers are packed again for each job. Without VNNI oneDNN's int8 saturates or halves weights;
/// own kernels run in its place there, as name() tells.
std::unique_ptr<Engine> make_onednn_engine(std::shared_ptr<const net::Network> network,
                                           std::shared_ptr<const ImageCodes> images,
                                           int64_t threads);

}  // namespace flatenn::engine
