#pragma once

#include "calibration/float_names.h"

namespace flatenn::calibration {

/// Cross-layer equalization: where one product reads what another makes through nothing but ReLU,
/// LeakyReLU and pools, moves a factor a channel from one's weights to the other's until the
/// largest weight of every channel is the same in both. The network's function stays. Returns how
/// many pairs were changed.
/// Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
/// arXiv:1906.04721, eq. (11).
int64_t equalize(FloatGraph& graph);

}  // namespace flatenn::calibration
