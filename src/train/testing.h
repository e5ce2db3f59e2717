#pragma once

#include <torch/torch.h>

#include <cmath>
#include <string>

#include "flatenn/nn/model.h"

/// What tests of training share.
namespace flatenn::train::testing {

struct Batch {
  torch::Tensor images;
  torch::Tensor labels;
};

/// Closed-form images in [-1, 1] * spread and labels, the same everywhere.
inline Batch batch_for(const nn::ModelOptions& options, int64_t count, int64_t seed = 0) {
  const net::Shape& shape = options.input;
  const torch::Tensor i =
      torch::arange(count * shape.elements(), torch::kFloat64) + static_cast<double>(77 * seed);
  return {torch::sin(0.013 * i * i + 0.3 * i)
              .to(torch::kFloat32)
              .view({count, shape.channels, shape.height, shape.width}),
          torch::remainder(torch::arange(count) * 3 + seed, options.classes)};
}

inline nn::Model calibrated_model(const nn::ModelOptions& options) {
  nn::Model model(options);
  model->calibrate(batch_for(options, 8).images);
  return model;
}

inline nn::ModelOptions options_for(const std::string& architecture) {
  nn::ModelOptions options;
  options.architecture = architecture;
  options.width = 8;
  if (architecture != "lenet5") options.input = {3, 16, 16};
  return options;
}

inline torch::Tensor loss_of(nn::Model& model, const Batch& batch) {
  return torch::cross_entropy_loss(model->forward(batch.images), batch.labels);
}

}  // namespace flatenn::train::testing
