#pragma once

#include <cstdint>
#include <span>

#include "calibration/float_names.h"

namespace flatenn::calibration {

/// All operations but products, for `images` images, without limits of their own where they are no
/// functions. inputs: [images, elements] each, dst: [images, out], CHW.
void element_op(const FloatOp& op, int64_t images, std::span<const std::span<const float>> inputs,
                float* dst);

/// Adds `skip` and limits the outputs of an operation.
void finish_op(const FloatOp& op, std::span<const float> skip, std::span<float> dst);

}  // namespace flatenn::calibration
