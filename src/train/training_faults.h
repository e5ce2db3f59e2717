#pragma once

#include <cstdint>
#include <optional>

#include "flatenn/train/config.h"
#include "flatenn/train/sam.h"
#include "train/weight_faults.h"

namespace flatenn::train {

/// The layers' value_change while it lives.
class FaultyWeights {
 public:
  /// Null: weights without faults.
  FaultyWeights(nn::ModelImpl& model, WeightFaults* faults) : model_(model), faults_(faults) {
    if (faults_) faults_->apply();
  }
  ~FaultyWeights() {
    if (faults_) WeightFaults::clear(model_);
  }
  FaultyWeights(const FaultyWeights&) = delete;
  FaultyWeights& operator=(const FaultyWeights&) = delete;

 private:
  nn::ModelImpl& model_;
  WeightFaults* faults_;
};

/// Faults that a training meets: those of one chip in every pass, random ones besides in the pass
/// kFaulty of every step. The map of a step is a function of (seed, step), in streams that no
/// campaign of any seed draws from on purpose: its seed is itself drawn.
class TrainingFaults {
 public:
  /// Reads the list of defects. Throws Error naming its file and line where it does not fit.
  TrainingFaults(nn::Model model, const TrainConfig& config);

  /// Draws what the pass kFaulty of this step meets, and returns the share of its gradient: 0
  /// where the rate is 0, and the pass shall not run.
  double start_step(int64_t step, int64_t steps_per_epoch);
  /// The faults of a pass, with the weights as they are when it is called.
  FaultyWeights in_pass(Pass pass);

 private:
  nn::Model model_;
  RandomFaultOptions options_;
  uint64_t seed_ = 0;
  std::optional<WeightFaults> defects_;
  std::optional<WeightFaults> random_;  ///< The defects among them.
};

}  // namespace flatenn::train
