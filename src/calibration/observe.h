#pragma once

#include <vector>

#include "calibration/float_names.h"
#include "calibration/histogram.h"
#include "calibration/ranges.h"
#include "flatenn/calibration/calibrate.h"

namespace flatenn::calibration {

/// For each tensor the one whose codes it has: a max-pool, concatenation or move only chooses among
/// codes, so all that it joins have the same ones. The image stands for its group.
std::vector<int64_t> code_groups(const FloatGraph& graph);

/// The values of every group over all images: counts, or only ranges where `counted` is false.
/// Indexed by tensors; those that do not stand for a group are empty. Throws Error naming the
/// operation and the image where a value is not finite.
std::vector<Histogram> observe(const FloatGraph& graph, const std::vector<int64_t>& groups,
                               const data::ImageSet& images, bool counted, int64_t threads);

/// The codes of every tensor.
std::vector<Codes> choose_codes(const FloatGraph& graph, const data::ImageSet& images,
                                const CalibrationOptions& options);

}  // namespace flatenn::calibration
