#pragma once

#include <torch/types.h>

#include <cstdint>

#include "flatenn/nn/model.h"
#include "flatenn/nn/sparsity.h"
#include "flatenn/train/config.h"
#include "flatenn/train/sam.h"
#include "train/batches.h"

namespace flatenn::train {

/// What one pass minimizes: mean cross-entropy (labels smoothed as the configuration says) plus
/// strength * sparsity penalty and the pull on weights' ranges, without weight decay; and the
/// counts of the first passes. Everything it keeps lives on the model's device, so that a step
/// never waits for a GPU.
class Objective {
 public:
  Objective(nn::Model model, const TrainConfig& config, torch::Device device);

  /// Forward and backward of one batch, in `accumulate` equal parts. Returns the task loss and
  /// penalties together, detached. Each image counts `weight` times in totals(): a pass on a part
  /// of a batch stands for all of it.
  torch::Tensor run(const Batch& batch, Pass pass, double weight = 1);

  /// Sums over the first passes since reset_totals(): task loss times images, right answers.
  const torch::Tensor& totals() const { return totals_; }  ///< float64 [2]
  void set_totals(const torch::Tensor& totals) { totals_.copy_(totals); }
  void reset_totals() { totals_.zero_(); }

  /// Sparsity of a batch, in [0, 1]: asked for before run(), taken after it. Taking it waits for a
  /// GPU.
  void measure_next() { measure_ = true; }
  double take_sparsity();
  void set_strength(double strength) { strength_.fill_(strength); }

 private:
  torch::Tensor run_part(const torch::Tensor& images, const torch::Tensor& labels, Pass pass,
                         double weight);

  nn::Model model_;
  nn::SparsityPenalty penalty_;
  nn::SparsityWeighting weighting_;
  nn::SparsityGrouping grouping_;
  WeightRangeOptions range_;
  int64_t accumulate_;
  double label_smoothing_;
  bool measure_ = false;  ///< The next first pass counts zeros.
  torch::Tensor totals_;
  torch::Tensor strength_;  ///< float32 scalar on the device.
  nn::SparsityMeter meter_;
};

}  // namespace flatenn::train
