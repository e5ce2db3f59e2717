#pragma once

#include "calibration/float_names.h"
#include "flatenn/calibration/calibrate.h"
#include "flatenn/net/network.h"

namespace flatenn::calibration {

/// Symmetric codes in [-(2^(bits-1) - 1), 2^(bits-1) - 1] with one scale, or one a channel. Scales
/// are large enough for biases of up to 2^30 in units of `src_scale` times them. Channels of zeros
/// take the largest scale of the others. Throws Error naming the layer where a weight or bias is
/// not finite.
net::Weights quantized_weights(const FloatOp& op, float src_scale,
                               const CalibrationOptions& options);

/// The real values of the codes.
std::vector<float> real_values(const net::Weights& weights);

/// Biases in units of src_scale * weights.scale(c).
std::vector<int32_t> quantized_biases(const std::vector<float>& bias, const net::Weights& weights,
                                      float src_scale);

}  // namespace flatenn::calibration
