#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "flatenn/nn/model.h"

namespace flatenn::train {

/// Gaussian noise on what layers compute before it is rounded to codes, with a deviation given as a
/// share of the activation's range (s * greatest code). The noise of a step is a function of
/// (seed, step, activation, part of the batch, worker) and the device's kind, and the same in all
/// passes of the step: they differ in the weights alone.
///
/// Its numbers lie in buffers that start_step() fills, so that a recorded step meets new noise
/// each time it is replayed.
class ActivationNoise {
 public:
  /// Sets the model's activation hook, and takes it back when destroyed. `images`: of the largest
  /// part of a batch that a forward pass sees. `worker`: of several on a batch. Not copied, not
  /// moved.
  ActivationNoise(nn::Model model, double deviation, uint64_t seed, int64_t images,
                  int64_t worker = 0);
  ~ActivationNoise();
  ActivationNoise(const ActivationNoise&) = delete;
  ActivationNoise& operator=(const ActivationNoise&) = delete;

  /// Draws the noise of a step.
  void start_step(int64_t step);
  /// Every pass of a step begins with the first activation again.
  void start_pass() { next_ = 0; }

 private:
  torch::Tensor disturb(const torch::Tensor& y, const nn::ActivationQuantizerImpl& quantizer);
  void fill(size_t buffer);

  nn::Model model_;
  double deviation_;
  uint64_t seed_;
  int64_t images_;
  int64_t worker_;
  int64_t step_ = 0;
  size_t next_ = 0;                     ///< Of the buffers, for the next activation.
  std::vector<torch::Tensor> buffers_;  ///< float32 [images, ...], standard normal.
};

}  // namespace flatenn::train
