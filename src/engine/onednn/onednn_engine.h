#pragma once

#include <memory>
#include <optional>
#include <string>

#include "flatenn/engine/engine.h"

namespace flatenn::engine {

/// One oneDNN primitive a layer (AMX, AVX-512 VNNI or AVX-VNNI as it finds them) with bias, scales,
/// residual, ReLU and rounding inside. A changed weight is written into oneDNN's packed layout.
/// Each layer's implementation is tried on random codes first. Own kernels run in its place where
/// none of them is exact (a warning says which layer) or onednn_unfit() says so, as name() tells.
/// Throws Error where oneDNN fails.
std::unique_ptr<Engine> make_onednn_engine(std::shared_ptr<const net::Network> network,
                                           std::shared_ptr<const ImageCodes> images,
                                           int64_t threads);

/// Why oneDNN does not run this network bit for bit on this machine; nothing where it does.
std::optional<std::string> onednn_unfit(const net::Network& network);

}  // namespace flatenn::engine
