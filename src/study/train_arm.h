#pragma once

#include <functional>
#include <mutex>

#include "study/device_pool.h"
#include "study/lease.h"
#include "study/plan_arms.h"
#include "train/run_data.h"

namespace flatenn::study {

enum class ArmStatus {
  kFinished,
  kStopped,    ///< As it was asked to; goes on from there the next time.
  kDiverged,   ///< Now or in an earlier call; not tried again.
  kElsewhere,  ///< Another process trains it, or what it starts from.
};

/// Trains the networks of a study and keeps the data set between them. Several threads may train
/// different networks at once, where none has to train what it starts from.
class ArmTrainer {
 public:
  /// Keeps a reference to the options.
  explicit ArmTrainer(const StudyOptions& options) : options_(options), devices_(options.device) {}

  /// Trainings no longer show progress themselves but tell `on_images` of every step's images.
  void tell_images(std::function<void(int64_t)> on_images) { on_images_ = std::move(on_images); }

  /// What `folder` holds finished under these settings is not done again; else the network that it
  /// starts from is trained first. Returns at once where another process trains it. Throws
  /// Error where `folder` holds another training.
  ArmStatus train(const Training& training, const std::filesystem::path& folder);

  /// Trains what `training` starts from, if anything.
  ArmStatus prepare(const Training& training);

  /// Images that the training has still to learn from; 0 where `folder` holds it finished.
  int64_t images_left(const Training& training, const std::filesystem::path& folder);

  /// What a training learns from and is measured on.
  std::shared_ptr<const train::RunData> data_of(const Training& training);

 private:
  ArmStatus prepare_warm_start(const Training& warm_start, const std::filesystem::path& folder);
  ArmStatus run(const Training& training, const std::filesystem::path& folder, const Lease& lease);

  const StudyOptions& options_;
  Leases leases_;
  DevicePool devices_;
  std::function<void(int64_t)> on_images_;
  std::mutex loading_;         ///< Of what follows.
  train::DataOptions loaded_;  ///< Of data_.
  std::shared_ptr<const train::RunData> data_;
};

/// What a run folder says about a training, and how many epochs it and its start have.
TrainingRecord describe_training(const Training& training, const std::filesystem::path& folder);

}  // namespace flatenn::study
