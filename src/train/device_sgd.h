#pragma once

#include <cstdint>
#include <vector>

#include "flatenn/train/optimizer.h"
#include "train/cuda_kernels.h"

namespace flatenn::train {

/// SGD's update of all parameters on a CUDA device in one launch. The learning rate lies on the
/// device: a recorded step follows set_learning_rate().
class DeviceSgd {
 public:
  /// One parameter and what is its own.
  struct Part {
    torch::Tensor value;
    torch::Tensor velocity;  ///< Undefined without momentum.
    double decay = 0;
    double rate_factor = 1;
  };

  DeviceSgd(const OptimizerOptions& options, torch::Device device);
  void set_learning_rate(double rate);
  /// Updates the parts that have a gradient. Where the gradients lie elsewhere than in the last
  /// call, their places are sent to the device, which no recorded step may do.
  void step(const std::vector<Part>& parts);

 private:
  void send_places(const std::vector<Part>& parts);

  OptimizerOptions options_;
  torch::Tensor rate_;     ///< [1]
  torch::Tensor entries_;  ///< Of the parts with gradient, as bytes.
  std::vector<const void*> places_;
  int count_ = 0;
  int64_t blocks_ = 0;
};

}  // namespace flatenn::train
