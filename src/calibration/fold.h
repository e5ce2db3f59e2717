#pragma once

#include "calibration/float_names.h"

namespace flatenn::calibration {

/// Brings a graph into the form that quantizes best, without changing what it computes: affine
/// steps of the image become its transform; batch norms and other factors and shifts join the
/// product before them, sums the convolution before them as its skip, ReLU and other limits the
/// operation before them; chains of functions become one (x * clip(x + 3, 0, 6) / 6 too), moves
/// likewise; what the logits do not depend on goes.
void fold(FloatGraph& graph);

/// Drops operations that the logits do not depend on, and tensors that none is left of.
void drop_dead(FloatGraph& graph);

}  // namespace flatenn::calibration
