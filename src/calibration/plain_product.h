#pragma once

#include <cstdint>

#include "calibration/float_names.h"

namespace flatenn::calibration {

/// A convolution or linear layer for `images` images by loops, summed in double; without its skip
/// and limits. src: [images, in], dst: [images, out], CHW.
void plain_product(const FloatOp& op, int64_t images, const float* src, float* dst);

}  // namespace flatenn::calibration
