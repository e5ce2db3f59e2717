#pragma once

#include <memory>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// The engine on the GPU of number options.device. Throws Error with the reason where there is
/// none, the driver is too old or device memory too small.
std::unique_ptr<Engine> make_cuda_engine(std::shared_ptr<const net::Network> network,
                                         std::shared_ptr<const ImageCodes> images,
                                         const EngineOptions& options);

/// Why this machine cannot run the CUDA engine; empty where it can.
std::string cuda_unavailable();

/// GPUs of this machine that the program may use; 0 where cuda_unavailable() says why.
int64_t cuda_device_count();

}  // namespace flatenn::engine
