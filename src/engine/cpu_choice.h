#pragma once

#include <memory>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// The faster of own kernels and oneDNN for this network, found by running both over a few images
/// once a process for each structure of network and number of threads; own kernels where there is
/// too little to do for that. Both give the same bits, so results do not depend on the choice;
/// where their logits differ all the same, own kernels run and a warning says so.
/// FLATENN_CPU_ENGINE=lanes|onednn decides instead; throws Error where it holds anything else.
std::unique_ptr<Engine> make_cpu_engine(std::shared_ptr<const net::Network> network,
                                        std::shared_ptr<const ImageCodes> images,
                                        const EngineOptions& options);

}  // namespace flatenn::engine
