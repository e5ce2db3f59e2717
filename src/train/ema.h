#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "flatenn/nn/model.h"

namespace flatenn::train {

/// Exponential moving average of a model's parameters and float buffers:
/// after every step, average += (1 - decay) * (value - average). It starts at the first values.
/// Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, in its
/// exponentially weighted form.
class ExponentialAverage {
 public:
  ExponentialAverage(nn::Model model, double decay);

  void update();
  /// Exchanges the model's values with the averages; a second call takes it back.
  void swap();

  const std::map<std::string, torch::Tensor>& state() const { return averages_; }
  /// Throws Error naming a tensor that is missing or has another shape.
  void load_state(const std::map<std::string, torch::Tensor>& state);

 private:
  nn::Model model_;
  double decay_;
  std::map<std::string, torch::Tensor> averages_;
};

}  // namespace flatenn::train
