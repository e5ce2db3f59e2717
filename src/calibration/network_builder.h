#pragma once

#include "calibration/bias_correction.h"
#include "flatenn/net/network.h"

namespace flatenn::calibration {

/// Whether the network gives these logits as float values: where what makes them rounds, and only
/// ReLU limits them.
bool has_float_logits(const FloatGraph& graph);

/// The frozen network. `weights`: of each operation that multiplies; biases are those of
/// `quantized`.
net::Network build_network(const QuantizedGraph& quantized,
                           const std::vector<net::Weights>& weights);

}  // namespace flatenn::calibration
