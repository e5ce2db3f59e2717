#pragma once

#include <cstdint>

#include "flatenn/data/image_set.h"
#include "flatenn/nn/model.h"
#include "flatenn/nn/sparsity.h"

namespace flatenn::train {

struct ModelEvaluation {
  double loss = 0;      ///< Mean cross-entropy.
  double accuracy = 0;  ///< In [0, 1]; of equal logits the lowest class is taken.
  nn::SparsityReport sparsity;
};

/// The model in evaluation mode over all images. Afterwards the mode is as before, recording is
/// off.
ModelEvaluation evaluate_model(nn::Model model, const data::ImageSet& images, torch::Device device);

}  // namespace flatenn::train
