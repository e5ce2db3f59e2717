#pragma once

#include <optional>
#include <string>

#include "engine/onednn/fused_layer.h"
#include "engine/onednn/packing.h"

namespace flatenn::engine::onednn {

/// Runs a layer once on random codes and random weights and compares one output of each channel
/// with the arithmetic contract: the first one that differs, in words. A oneDNN that packs, adds or
/// rounds otherwise is noticed before a result depends on it. Each output is brought to the middle
/// of its range by its bias, so that no clamp hides a wrong sum, and half of them have their whole
/// window inside the image, so that they read all weights of their filter.
std::optional<std::string> wrong_output(const dnnl::engine& engine, const FusedLayer& fused,
                                        const Packing& packing, const net::Network& network,
                                        const net::Layer& layer, int64_t batch);

}  // namespace flatenn::engine::onednn
