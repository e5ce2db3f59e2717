#pragma once

#include "study/plan_arms.h"
#include "train/run_data.h"

namespace flatenn::study {

enum class ArmStatus {
  kFinished,
  kStopped,   ///< As it was asked to; goes on from there the next time.
  kDiverged,  ///< Now or in an earlier call; not tried again.
};

/// Trains the networks of a study, one after another, and keeps the data set between them.
class ArmTrainer {
 public:
  /// Keeps a reference to the options.
  explicit ArmTrainer(const StudyOptions& options) : options_(options) {}

  /// What `folder` holds finished under these settings is not done again; else the network that it
  /// starts from is trained first, beside `folder`. Throws Error where `folder` holds another
  /// training.
  ArmStatus train(const Training& training, const std::filesystem::path& folder);

  /// What a training learns from and is measured on.
  std::shared_ptr<const train::RunData> data_of(const Training& training);

 private:
  ArmStatus prepare_warm_start(const Training& warm_start, const std::filesystem::path& folder);
  ArmStatus run(const Training& training, const std::filesystem::path& folder);

  const StudyOptions& options_;
  train::DataOptions loaded_;  ///< Of data_.
  std::shared_ptr<const train::RunData> data_;
};

/// What a run folder says about a training, and how many epochs it and its start have.
TrainingRecord describe_training(const Training& training, const std::filesystem::path& folder);

}  // namespace flatenn::study
