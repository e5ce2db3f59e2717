#pragma once

#include <memory>
#include <vector>

#include "flatenn/data/image_set.h"
#include "flatenn/train/harden.h"

namespace flatenn::train {

/// Both networks of a run folder (imported.onnx, model.onnx) under the plan's faults, into its
/// faults.db. Empty where it was asked to stop; a second call goes on.
std::vector<HardenCell> compare_under_faults(const HardenRequest& request,
                                             std::shared_ptr<const data::ImageSet> images,
                                             const std::string& dataset);

}  // namespace flatenn::train
