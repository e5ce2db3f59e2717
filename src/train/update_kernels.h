#pragma once

#include <torch/types.h>

namespace flatenn::train {

struct SgdStep {
  double learning_rate;
  double momentum;
  double weight_decay;
  bool nesterov;
};

/// d = g + decay * w; m = momentum * m + d; w -= lr * (nesterov ? d + momentum * m : m), in place.
/// `moment` starts as zeros and may be undefined where momentum is 0.
void sgd_update(torch::Tensor& value, const torch::Tensor& grad, torch::Tensor& moment,
                const SgdStep& step);

struct AdamStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  bool decoupled;  ///< AdamW: w -= lr * decay * w, apart from the gradient.
  int64_t count;   ///< Of this step, from 1.
};

/// Kingma and Ba, arXiv:1412.6980, algorithm 1; decoupled decay as arXiv:1711.05101.
void adam_update(torch::Tensor& value, const torch::Tensor& grad, torch::Tensor& first,
                 torch::Tensor& second, const AdamStep& step);

}  // namespace flatenn::train
