#pragma once

#include <memory>

#include "train/batches.h"

namespace flatenn::train {

/// Batches assembled on a CUDA device: the split lies there as bytes, an epoch's order and
/// augmentation are sent once, and a batch is one kernel without waiting for it. Images are
/// channels-last and lie in the same memory in every batch, so that a recorded step finds them.
/// Pixels and labels are those of the CPU's source, bit for bit.
std::unique_ptr<BatchSource> make_device_batch_source(const data::ImageSet& images,
                                                      const BatchOptions& options,
                                                      torch::Device device);

}  // namespace flatenn::train
