#pragma once

#include <cstdint>
#include <optional>

#include "flatenn/train/config.h"
#include "flatenn/train/sam.h"
#include "train/maps_ahead.h"
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
  TrainingFaults(nn::Model model, const TrainConfig& config, int64_t steps_per_epoch);

  TrainingFaults(const TrainingFaults&) = delete;
  TrainingFaults& operator=(const TrainingFaults&) = delete;

  /// Sets what the pass kFaulty of this step meets, and returns the share of its gradient: 0
  /// where the rate is 0, and the pass shall not run.
  double start_step(int64_t step);
  /// The faults of a pass, with the weights as they are when it is called.
  FaultyWeights in_pass(Pass pass);

 private:
  double rate_at(int64_t step) const;

  nn::Model model_;
  RandomFaultOptions options_;
  int64_t steps_per_epoch_;
  uint64_t seed_ = 0;
  std::optional<WeightFaults> defects_;
  std::optional<WeightFaults> random_;  ///< The defects among them.
  std::optional<MapsAhead> maps_;       ///< Of `random_`; goes before it.
};

}  // namespace flatenn::train
