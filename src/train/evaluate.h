#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/data/image_set.h"
#include "flatenn/nn/model.h"
#include "flatenn/nn/sparsity.h"

namespace flatenn::train {

struct ModelEvaluation {
  double loss = 0;      ///< Mean cross-entropy.
  double accuracy = 0;  ///< In [0, 1]; of equal logits the lowest class is taken.
  nn::SparsityReport sparsity;
};

/// Evaluates models on the same images again and again. On a GPU the images stay there, normalized.
class Evaluator {
 public:
  /// `images` must outlive the evaluator.
  Evaluator(const data::ImageSet& images, torch::Device device);

  /// The model in evaluation mode over all images. Afterwards the mode is as before, recording is
  /// off. Fewer images are taken at a time where a GPU's memory does not suffice.
  ModelEvaluation run(nn::Model model);

 private:
  torch::Tensor images_at(int64_t first, int64_t count);
  /// [images, classes], on the CPU.
  torch::Tensor logits_of(nn::Model& model, nn::SparsityMeter& meter);

  const data::ImageSet& images_;
  torch::Device device_;
  int64_t at_once_;          ///< Images in one forward pass.
  torch::Tensor on_device_;  ///< All images, on a GPU after the first run().
};

}  // namespace flatenn::train
