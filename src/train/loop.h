#pragma once

#include <torch/serialize/archive.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "flatenn/base/error.h"
#include "flatenn/nn/model.h"
#include "flatenn/train/config.h"
#include "train/activation_noise.h"
#include "train/batches.h"
#include "train/collective.h"
#include "train/ema.h"
#include "train/objective.h"
#include "train/recorded_steps.h"
#include "train/training_faults.h"

namespace flatenn::train {

/// The loss is no longer finite.
class Diverged : public Error {
 public:
  using Error::Error;
};

/// A training between two steps: model, optimizer, controller, averages and position. Everything
/// that decides the steps to come is in save(), so a training that is loaded goes on bit for bit.
class Trainer {
 public:
  /// `batches` must outlive the trainer. The model is on `device` and calibrated (where quantized).
  /// As a member of a group it trains on its part of every batch: `config.batch_size` and `batches`
  /// are the part's, and all that save() writes is the same for all members.
  Trainer(const TrainConfig& config, nn::Model model, BatchSource& batches, torch::Device device,
          Member member = {});

  /// One step of the optimizer. Throws Diverged, with what to try, where the loss is not finite.
  void step();

  int64_t position() const { return position_; }  ///< Steps done since the start.
  int64_t steps_per_epoch() const { return batches_.batches(); }
  int64_t total_steps() const { return steps_per_epoch() * config_.epochs; }
  bool finished() const { return position_ == total_steps(); }
  bool at_epoch_end() const { return position_ > 0 && position_ % steps_per_epoch() == 0; }

  /// Means over the images of this epoch so far.
  struct Totals {
    double loss = 0;
    double accuracy = 0;
  };
  Totals totals() const;
  void reset_totals() { objective_.reset_totals(); }
  /// Throws Diverged where the last loss is not finite; waits for a GPU.
  void check_finite() const;

  double learning_rate() const;      ///< Of the last step.
  double sparsity_strength() const;  ///< 0 without penalty.
  double grad_norm() const;          ///< Of the last step.
  double rho_relative() const;       ///< Of the last step that was perturbed; else 0.

  /// Exchanges weights and their averages, where there are averages; for evaluation.
  void swap_averages();
  const ExponentialAverage* averages() const { return averages_ ? &*averages_ : nullptr; }
  nn::Model model() { return model_; }

  void save(torch::serialize::OutputArchive& archive) const;
  void load(torch::serialize::InputArchive& archive);

 private:
  bool sharp_step() const;
  StepResult compute(SharpnessStepper& stepper, const Batch& batch, double faulty_share);
  torch::Tensor run_pass(const Batch& batch, Pass pass, bool part);
  torch::Tensor agree(const torch::Tensor& loss, Pass pass);
  bool perturbs_alone(Pass pass) const;
  void steer_sparsity();
  std::map<std::string, torch::Tensor> last_scalars() const;

  TrainConfig config_;
  nn::Model model_;
  BatchSource& batches_;
  torch::Device device_;
  Member member_;
  std::unique_ptr<Optimizer> optimizer_;
  SharpnessStepper plain_;  ///< Before sharpness.from_epoch.
  SharpnessStepper sharpness_;
  Objective objective_;
  TrainingFaults faults_;
  std::optional<ActivationNoise> noise_;
  std::optional<nn::SparsityController> controller_;
  std::optional<ExponentialAverage> averages_;
  int64_t position_ = 0;
  int64_t started_epoch_ = -1;  ///< That batches_ hands out.
  RecordedSteps steps_;
  StepResult last_;
};

}  // namespace flatenn::train
