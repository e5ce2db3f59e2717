#pragma once

#include <vector>

#include "calibration/float_names.h"
#include "calibration/ranges.h"
#include "flatenn/data/image_set.h"

namespace flatenn::calibration {

/// A float graph beside its quantized form: the same operations with the real values of quantized
/// weights, and the codes that its tensors are rounded to.
struct QuantizedGraph {
  FloatGraph graph;
  std::vector<Codes> codes;
  std::vector<bool> rounds;  ///< Of each tensor; false for float logits.
};

/// The mean over the output channels of all products of |mean error of the channel|, between both.
double mean_error(const FloatGraph& graph, const QuantizedGraph& quantized,
                  const data::ImageSet& images, int64_t threads);

/// Adds to the biases of `quantized`, product by product in order, the mean error of each output
/// channel, given all corrections before. Returns how many of the images it looked at: as many as
/// fit into half a gigabyte, at most 256.
/// Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
/// arXiv:1906.04721, section 4.2, with means that are measured.
int64_t correct_biases(const FloatGraph& graph, QuantizedGraph& quantized,
                       const data::ImageSet& images, int64_t threads);

}  // namespace flatenn::calibration
