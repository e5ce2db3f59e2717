#pragma once

#include <memory>

#include "train/batches.h"

namespace flatenn::train {

/// Of each batch of `whole` the equal part `part` of `parts`, in order; the part shares the batch's
/// memory. `parts` divides the batch's size.
std::unique_ptr<BatchSource> part_of_batches(std::unique_ptr<BatchSource> whole, int64_t part,
                                             int64_t parts);

}  // namespace flatenn::train
